"""What a trial is, as a tree of frozen pydantic models: one file per part."""

from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.constraint import ConstraintConfig
from search_spaces.config.data import (
    AugmentationConfig,
    Cifar10,
    Cifar100,
    ClassLabel,
    DataConfig,
    Digits,
    ImageFolder,
    MedMnist,
    Source,
)
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.losses import (
    FAMILIES,
    AsymmetricFocal,
    AsymmetricMargin,
    Bce,
    ClassBalancedBce,
    Ldam,
    LossConfig,
    Mbauc,
    SymmetricFocal,
    SymmetricMargin,
    WeightedBce,
)
from search_spaces.config.models import Initialization, ModelConfig, ResNet10, SmallCnn
from search_spaces.config.training import SCORED_EPOCHS, Adam, OptimizerConfig, ScoredBy, Sgd
from search_spaces.config.trial import SCHEMA_VERSION, TrialConfig

__all__ = [
    "ADDED_LATER",
    "FAMILIES",
    "SCHEMA_VERSION",
    "SCORED_EPOCHS",
    "Adam",
    "AsymmetricFocal",
    "AsymmetricMargin",
    "AugmentationConfig",
    "Bce",
    "Cifar10",
    "Cifar100",
    "ClassBalancedBce",
    "ClassLabel",
    "ConstraintConfig",
    "DataConfig",
    "Digits",
    "Frozen",
    "ImageFolder",
    "Initialization",
    "Ldam",
    "LossConfig",
    "Mbauc",
    "MedMnist",
    "ModelConfig",
    "NonNegative",
    "OptimizerConfig",
    "ResNet10",
    "ScoredBy",
    "Sgd",
    "SmallCnn",
    "Source",
    "SymmetricFocal",
    "SymmetricMargin",
    "TrialConfig",
    "WeightedBce",
]
