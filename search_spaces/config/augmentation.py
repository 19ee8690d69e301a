"""How training images are augmented. It is done in `trainer.data.augmentation`."""

from __future__ import annotations

from pydantic import Field

from search_spaces.config.base import Frozen, NonNegative


class AugmentationConfig(Frozen):
    """Random crop after zero-padding by `crop_padding` pixels, then a flip with this probability."""

    crop_padding: int = Field(default=4, ge=0, le=64)
    horizontal_flip: NonNegative = Field(default=0.5, le=1)
