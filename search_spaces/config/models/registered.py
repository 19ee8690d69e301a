"""Every network as one type of field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from search_spaces.config.models.base import AbsentModel, Model
from search_spaces.config.models.own import ResNet10, ResNet32, SmallCnn
from search_spaces.config.models.torchvision import (
    ConvNeXtTiny,
    DenseNet121,
    EfficientNetB0,
    ResNet18,
    ResNet50,
)
from search_spaces.config.registry import Registry

MODEL_TYPES: Registry[Model] = Registry(
    Model,  # type: ignore[type-abstract]
    AbsentModel,
    ResNet10,
    SmallCnn,
    ResNet32,
    ResNet18,
    ResNet50,
    DenseNet121,
    EfficientNetB0,
    ConvNeXtTiny,
)

if TYPE_CHECKING:
    ModelConfig: TypeAlias = Model
else:
    ModelConfig = MODEL_TYPES.annotation()
