"""What the plug-in brings, as configuration. Torch is not imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from search_spaces.config import (
    Augmentation,
    Head,
    Loss,
    Model,
    NonNegative,
    Source,
    TrainingFacts,
    head_weights,
)


class Squared(Loss):
    """Squared distance of tanh(s / temperature) from -1 or 1; positives count `factor` times their rarity."""

    implementation: ClassVar[str] = "almsweep_example.torch_part:squared"
    family: ClassVar[str] = "Squared"
    name: Literal["squared"] = "squared"
    temperature: float = Field(default=1.0, gt=0)
    factor: NonNegative = 1.0

    def parameters(self, facts: TrainingFacts) -> Mapping[str, float]:
        """The temperature, and the weight of a positive."""
        negatives, positives = facts.counts
        return {"temperature": self.temperature, "weight": self.factor * negatives / positives}


class Patches(Model):
    """One convolution of 4 x 4 patches, layer normalisation, and a learned token that is added."""

    implementation: ClassVar[str] = "almsweep_example.torch_part:patches"
    smallest_image: ClassVar[int] = 4
    name: Literal["patches"] = "patches"
    depth: int = Field(default=8, ge=1)

    def weight_count(self, *, channels: int, image_size: int, outputs: int, head: Head) -> int:
        """Convolution with bias, normalisation, token, and the head."""
        convolution = (16 * channels + 1) * self.depth
        return convolution + 3 * self.depth + head_weights(self.depth, outputs, head)

    def map_size(self, image_size: int) -> int:
        """The patches."""
        return self.depth * (image_size // 4) ** 2


class Stripes(Source):
    """Noisy images of `size` x `size`, made up: class 0 has horizontal stripes, class 1 vertical ones."""

    implementation: ClassVar[str] = "almsweep_example.torch_part:StripesReader"
    needs_files: ClassVar[bool] = False
    name: Literal["stripes"] = "stripes"
    size: int = Field(default=8, ge=8, le=64)
    examples: int = Field(default=400, ge=10)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Grey."""
        return 1, self.size


class Darken(Augmentation):
    """Every image loses a random part, at most `most`, of its light."""

    implementation: ClassVar[str] = "almsweep_example.torch_part:DarkenStep"
    name: Literal["darken"] = "darken"
    most: NonNegative = Field(default=0.5, le=1)
