"""What a trial is, as a tree of frozen pydantic models: one file per part."""

from search_spaces.config.augmentation import AugmentationConfig
from search_spaces.config.base import Frozen, NonNegative
from search_spaces.config.constraint import ConstraintConfig
from search_spaces.config.data import DataConfig
from search_spaces.config.identity import ADDED_LATER
from search_spaces.config.kinds import Kind, Registry
from search_spaces.config.losses import (
    FAMILIES,
    LOSS_TYPES,
    AsymmetricFocal,
    AsymmetricMargin,
    Bce,
    ClassBalancedBce,
    Ldam,
    Loss,
    LossConfig,
    Mbauc,
    SymmetricFocal,
    SymmetricMargin,
    TrainingFacts,
    WeightedBce,
)
from search_spaces.config.models import (
    MODEL_TYPES,
    Head,
    Initialization,
    Model,
    ModelConfig,
    ResNet10,
    SmallCnn,
    head_weights,
)
from search_spaces.config.sources import (
    SOURCE_TYPES,
    Cifar10,
    Cifar100,
    ClassLabel,
    Digits,
    ImageFolder,
    MedMnist,
    Source,
    SourceConfig,
)
from search_spaces.config.training import SCORED_EPOCHS, Adam, OptimizerConfig, ScoredBy, Sgd
from search_spaces.config.trial import SCHEMA_VERSION, TrialConfig

__all__ = [
    "ADDED_LATER",
    "FAMILIES",
    "LOSS_TYPES",
    "MODEL_TYPES",
    "SCHEMA_VERSION",
    "SCORED_EPOCHS",
    "SOURCE_TYPES",
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
    "Head",
    "ImageFolder",
    "Initialization",
    "Kind",
    "Ldam",
    "Loss",
    "LossConfig",
    "Mbauc",
    "MedMnist",
    "Model",
    "ModelConfig",
    "NonNegative",
    "OptimizerConfig",
    "Registry",
    "ResNet10",
    "ScoredBy",
    "Sgd",
    "SmallCnn",
    "Source",
    "SourceConfig",
    "SymmetricFocal",
    "SymmetricMargin",
    "TrainingFacts",
    "TrialConfig",
    "WeightedBce",
    "head_weights",
]
