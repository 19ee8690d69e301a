"""The small networks of this package, scaled by a width."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.models.base import Head, Initialization, Model, head_weights


class _Convolutional(Model):
    """Convolutions, the first of which has the fewest channels, `width`, and makes the largest map.

    width            channels of the first convolution
    initialization   how the first weights of convolutions are drawn: torch's default, or He's by
                     fan-out or fan-in
    """

    width: int = Field(ge=1, le=1024)
    initialization: Initialization = "torch"

    @property
    def convolutions(self) -> Initialization:
        """As the field says."""
        return self.initialization

    @property
    def narrowest(self) -> int:
        """The first one's channels."""
        return self.width

    def map_size(self, image_size: int) -> int:
        """The first one's."""
        return self.width * image_size**2


class ResNet10(_Convolutional):
    """ResNet with basic blocks [1, 1, 1, 1] and `width`-2w-4w-8w channels; 3 x 3 stem, no max-pool.

    `initialization` says how the convolutions' first weights are drawn. "torch": torch's default, uniform
    with a = sqrt 5, variance 1 / (3 fan-in), which the paper's released code leaves as it is. "he_fan_out":
    normal with variance 2 / fan-out (He et al., ICCV 2015); "he_fan_in" with 2 / fan-in.

    It sets the effective learning rate: batch norm hides the weights' scale from the forward pass, but a
    step's effect goes with 1 / |w|^2. Under "he_fan_out" the rate is in effect 6 times smaller at first, 3
    times where a convolution doubles the channels, in all but the stem. CIFAR-100 1:100, BCE, width 16, 30
    epochs, seeds 1 to 3: test AUROC 0.720, 0.625 and 0.747, against 0.791, 0.683 and 0.794 with "torch"
    (docs/initial-weights.md).
    """

    implementation: ClassVar[str] = "trainer.models.resnet10:resnet10"
    name: Literal["resnet10"] = "resnet10"
    width: int = Field(default=64, ge=1, le=1024)

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Convolutions without bias, their batch norms, a shortcut where channels change, and the head."""
        width = self.width
        weights = _normed_convolution(channels, width)
        inputs = width
        for stage in (width, 2 * width, 4 * width, 8 * width):
            weights += _normed_convolution(inputs, stage) + _normed_convolution(stage, stage)
            if inputs != stage:
                weights += inputs * stage + 2 * stage
            inputs = stage
        return weights + head_weights(inputs, outputs, head)


class SmallCnn(_Convolutional):
    """3 x 3 convolution blocks of `width` channels, twice as many in each next one, and the output.

    `initialization` is that of `ResNet10`, and has the same effect.

    blocks   convolutions, each with a pooling behind it
    """

    implementation: ClassVar[str] = "trainer.models.small_cnn:small_cnn"
    name: Literal["small_cnn"] = "small_cnn"
    width: int = Field(default=16, ge=1, le=1024)
    blocks: Annotated[int, Field(ge=1, le=3), ADDED_LATER] = 2

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each block."""
        return tuple(self.width * 2**block for block in range(self.blocks))

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Convolutions without bias, their batch norms, and the head on what a pooling per block leaves."""
        weights, inputs = 0, channels
        for wide in self.channels:
            weights += _normed_convolution(inputs, wide)
            inputs = wide
        features = inputs * (image_size // 2**self.blocks) ** 2
        return weights + head_weights(features, outputs, head)


class ResNet32(_Convolutional):
    """The ResNet of long-tail papers: three stages of five basic blocks, `width`-2w-4w channels.

    He et al., CVPR 2016, section 4.2, n = 5: a 3 x 3 stem, and shortcuts without weights, which leave out
    every other pixel and fill up channels with 0. `initialization` is that of `ResNet10`.
    """

    implementation: ClassVar[str] = "trainer.models.resnet32:resnet32"
    name: Literal["resnet32"] = "resnet32"
    width: int = Field(default=16, ge=1, le=1024)
    initialization: Initialization = "he_fan_in"

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Stem, thirty convolutions, their batch norms, and the head."""
        weights, inputs = _normed_convolution(channels, self.width), self.width
        for wide in (self.width, 2 * self.width, 4 * self.width):
            weights += _normed_convolution(inputs, wide) + 9 * _normed_convolution(wide, wide)
            inputs = wide
        return weights + head_weights(inputs, outputs, head)


def _normed_convolution(inputs: int, outputs: int) -> int:
    """Weights of a 3 x 3 convolution without bias and of the batch norm behind it."""
    return 9 * inputs * outputs + 2 * outputs
