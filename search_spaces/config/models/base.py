"""What every network says of itself. Networks are told apart by `name`, and built in `trainer.models`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from search_spaces.config.kinds import Absent, Kind
from search_spaces.errors import InputError

# How the first weights of convolutions are drawn (see `ResNet10`).
Initialization = Literal["torch", "he_fan_out", "he_fan_in"]
# The output layer: linear with a bias, or cosines between features and one vector per output, in [-1, 1] or
# times COSINE_SCALE (that of LDAM's code).
Head = Literal["linear", "cosine", "scaled_cosine"]
COSINE_SCALE = 30.0
# How a network's first weights are drawn: "truncated_normal", of convolutions and of linear layers, is
# normal with deviation 0.02 (ConvNeXt, ViT).
Drawn = Literal[Initialization, "truncated_normal"]


@dataclass(frozen=True)
class FirstWeights:
    """A file of weights that a network begins with: a state dict, as torch saves it.

    sha256   of the file, 64 hexadecimal digits; of a published file its first digits
    file     the name of a published file; None for any file of that hash
    url      where a published file can be had
    """

    sha256: str
    file: str | None = None
    url: str | None = None


class Model(Kind):
    """What every network says of itself.

    The implementation is a function `(config, *, channels, image_size, head) -> nn.Module` that builds the
    network without weights (see `trainer.models.build`); `head(features)` makes its output layer.

    smallest_image   the least side length of the images that it takes
    """

    kind: ClassVar[str] = "model"
    group: ClassVar[str] = "almsweep.models"
    smallest_image: ClassVar[int] = 8

    @property
    def convolutions(self) -> Drawn:
        """How the first weights of its convolutions are drawn."""
        return "torch"

    @property
    def first_weights(self) -> FirstWeights | None:
        """The file of weights that it begins with, all but its output layer; None draws all of them.

        Of a network with one the module has a method `take_weights(state)`, which takes over the state dict.
        """
        return None

    @property
    def narrowest(self) -> int:
        """The fewest channels between two of its layers; 0 where that is not known."""
        return 0

    @abstractmethod
    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Number of weights, frozen ones included, for images of size [channels, image_size, image_size]."""

    @abstractmethod
    def map_size(self, image_size: int) -> int:
        """Numbers in the largest feature map of one image."""


def head_weights(features: int, outputs: int, head: Head) -> int:
    """Number of trained weights of an output layer.

    >>> head_weights(512, 1, "linear"), head_weights(512, 2, "cosine")
    (513, 1024)
    """
    biases = outputs if head == "linear" else 0
    return features * outputs + biases


class AbsentModel(Absent, Model):
    """A model whose plug-in is not installed here. Its sizes are not known: to ask is an InputError."""

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Raises InputError."""
        raise InputError(self.lack)

    def map_size(self, image_size: int) -> int:
        """Raises InputError."""
        raise InputError(self.lack)
