"""Torchvision's networks with the last layer replaced, from its published weights, a file, or drawn ones.

Weights are named by what they are, never by where they lie: published ones by torchvision's name, others by
the SHA-256 of a file, which stands in the folder `weights` of the data folder under any name.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from search_spaces.config.models.base import Drawn, FirstWeights, Head, Model, head_weights

PUBLISHER = "https://download.pytorch.org/models/"
_SHA256 = re.compile("[0-9a-f]{64}")


class TorchvisionModel(Model):
    """What torchvision's networks have in common.

    weights         what it begins with, all but its output layer: `IMAGENET1K_V1` (or `_V2`), as torchvision
                    publishes them, or the SHA-256 of a file in `DATA-DIR/weights/` with a state dict of
                    torchvision's network; null draws them. Of a grey image the first convolution's weights
                    are summed over the three colours
    frozen_stages   so many of its first stages keep those weights, and their batch norms stay in evaluation
                    mode; all of them: the output layer alone is trained
    """

    published: ClassVar[Mapping[str, str]]
    stages: ClassVar[int]
    features: ClassVar[int]
    first_convolution: ClassVar[int]
    other_weights: ClassVar[int]

    weights: str | None = None
    frozen_stages: int = Field(default=0, ge=0)

    @field_validator("weights")
    @classmethod
    def _are_published_or_a_hash(cls, given: str | None) -> str | None:
        if given is None or given in cls.published or _SHA256.fullmatch(given):
            return given
        raise ValueError(
            f"expected {' or '.join(cls.published)}, or the SHA-256 of a file in DATA-DIR/weights "
            f"(64 hexadecimal digits in lower case), given {given!r}"
        )

    @model_validator(mode="after")
    def _frozen_stages_are_its_own_and_have_weights(self) -> TorchvisionModel:
        if self.frozen_stages > self.stages:
            raise ValueError(
                f"expected frozen_stages of at most {self.stages}, its stages, given {self.frozen_stages}"
            )
        if self.frozen_stages and self.weights is None:
            raise ValueError("expected weights where stages are frozen, given none")
        return self

    @property
    def first_weights(self) -> FirstWeights | None:
        """The file that `weights` names."""
        if self.weights is None:
            return None
        if self.weights not in self.published:
            return FirstWeights(self.weights)
        file = self.published[self.weights]
        digits = file.removesuffix(".pth").rpartition("-")[2]
        return FirstWeights(digits, file, PUBLISHER + file)

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Torchvision's, with a first convolution for `channels` and another output layer."""
        return (
            channels * self.first_convolution
            + self.other_weights
            + head_weights(self.features, outputs, head)
        )

    @property
    @abstractmethod
    def convolutions(self) -> Drawn:
        """As torchvision draws them."""


class _ResNet(TorchvisionModel):
    """He et al., CVPR 2016: a 7 x 7 stem of stride 2 with a max-pool, and four stages of blocks."""

    # Below, most batch norms would see a single number of each image.
    smallest_image: ClassVar[int] = 28
    stages: ClassVar[int] = 5
    first_convolution: ClassVar[int] = 49 * 64

    @property
    def convolutions(self) -> Drawn:
        """As torchvision draws them."""
        return "he_fan_out"

    @property
    def narrowest(self) -> int:
        """The stem's channels."""
        return 64


class ResNet18(_ResNet):
    """Torchvision's ResNet-18, made for images of 224 x 224; its stages are the stem and four of blocks."""

    implementation: ClassVar[str] = "trainer.models.torchvision_nets:resnet18"
    published: ClassVar[Mapping[str, str]] = {"IMAGENET1K_V1": "resnet18-f37072fd.pth"}
    features: ClassVar[int] = 512
    other_weights: ClassVar[int] = 11_167_104
    name: Literal["resnet18"] = "resnet18"

    def map_size(self, image_size: int) -> int:
        """The stem's."""
        return 64 * _half(image_size) ** 2


class ResNet50(_ResNet):
    """Torchvision's ResNet-50, of bottleneck blocks; its stages are the stem and four of blocks."""

    implementation: ClassVar[str] = "trainer.models.torchvision_nets:resnet50"
    published: ClassVar[Mapping[str, str]] = {
        "IMAGENET1K_V1": "resnet50-0676ba61.pth",
        "IMAGENET1K_V2": "resnet50-11ad3fa6.pth",
    }
    features: ClassVar[int] = 2048
    other_weights: ClassVar[int] = 23_498_624
    name: Literal["resnet50"] = "resnet50"

    def map_size(self, image_size: int) -> int:
        """The stem's, or that of the first stage of blocks, where halving rounds up."""
        half = _half(image_size)
        return max(64 * half**2, 256 * _half(half) ** 2)


class DenseNet121(TorchvisionModel):
    """Torchvision's DenseNet-121 (Huang et al., CVPR 2017); its stages are the stem and four dense blocks.

    A transition belongs to the block before it, the last batch norm to the last block.
    """

    implementation: ClassVar[str] = "trainer.models.torchvision_nets:densenet121"
    smallest_image: ClassVar[int] = 29
    published: ClassVar[Mapping[str, str]] = {"IMAGENET1K_V1": "densenet121-a639ec97.pth"}
    stages: ClassVar[int] = 5
    features: ClassVar[int] = 1024
    first_convolution: ClassVar[int] = 49 * 64
    other_weights: ClassVar[int] = 6_944_448
    name: Literal["densenet121"] = "densenet121"

    @property
    def convolutions(self) -> Drawn:
        """As torchvision draws them."""
        return "he_fan_in"

    @property
    def narrowest(self) -> int:
        """Its growth rate."""
        return 32

    def map_size(self, image_size: int) -> int:
        """The stem's, or that of the first dense block, where halving rounds up."""
        half = _half(image_size)
        return max(64 * half**2, 256 * _half(half) ** 2)


class EfficientNetB0(TorchvisionModel):
    """Torchvision's EfficientNet-B0 (Tan and Le, ICML 2019); its stages are the nine parts of its features.

    dropout            share of the last features that is left out in training
    stochastic_depth   share of examples that pass by the last block in training; of earlier blocks less, in
                       proportion to their place
    """

    implementation: ClassVar[str] = "trainer.models.torchvision_nets:efficientnet_b0"
    smallest_image: ClassVar[int] = 28
    published: ClassVar[Mapping[str, str]] = {"IMAGENET1K_V1": "efficientnet_b0_rwightman-7f5810bc.pth"}
    stages: ClassVar[int] = 9
    features: ClassVar[int] = 1280
    first_convolution: ClassVar[int] = 9 * 32
    other_weights: ClassVar[int] = 4_006_684
    name: Literal["efficientnet_b0"] = "efficientnet_b0"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    stochastic_depth: float = Field(default=0.2, ge=0, lt=1)

    @property
    def convolutions(self) -> Drawn:
        """As torchvision draws them."""
        return "he_fan_out"

    @property
    def narrowest(self) -> int:
        """The fewest channels that a squeeze leaves."""
        return 4

    def map_size(self, image_size: int) -> int:
        """That of the second stage's first expansion."""
        return 96 * _half(image_size) ** 2


class ConvNeXtTiny(TorchvisionModel):
    """Torchvision's ConvNeXt-Tiny (Liu et al., CVPR 2022); its stages are the stem and four of blocks.

    A stage's downsampling belongs to it; the last layer norm is trained with the output layer.

    stochastic_depth   share of examples that pass by the last block in training; of earlier blocks less, in
                       proportion to their place
    """

    implementation: ClassVar[str] = "trainer.models.torchvision_nets:convnext_tiny"
    smallest_image: ClassVar[int] = 32
    published: ClassVar[Mapping[str, str]] = {"IMAGENET1K_V1": "convnext_tiny-983f1562.pth"}
    stages: ClassVar[int] = 5
    features: ClassVar[int] = 768
    first_convolution: ClassVar[int] = 16 * 96
    other_weights: ClassVar[int] = 27_815_520
    name: Literal["convnext_tiny"] = "convnext_tiny"
    stochastic_depth: float = Field(default=0.1, ge=0, lt=1)

    @property
    def convolutions(self) -> Drawn:
        """As torchvision draws them, its linear layers too."""
        return "truncated_normal"

    @property
    def narrowest(self) -> int:
        """The stem's channels."""
        return 96

    def map_size(self, image_size: int) -> int:
        """That of the first stage's expansion."""
        return 384 * (image_size // 4) ** 2


def _half(size: int) -> int:
    """The side length that a stride of 2 leaves.

    >>> _half(29), _half(32)
    (15, 16)
    """
    return (size + 1) // 2
