"""What a trial is, as a tree of frozen pydantic models: one file per part."""

from search_spaces.config.augmentation import (
    AUGMENTATION_TYPES,
    Affine,
    Augmentation,
    AugmentationConfig,
    AugmentationStep,
    ColorJitter,
    CutMix,
    HorizontalFlip,
    Mixup,
    RandomCrop,
    RandomErasing,
    Rotation,
)
from search_spaces.config.base import Frozen, NonNegative, number
from search_spaces.config.classes import Classes, ClassLabel
from search_spaces.config.constraint import ConstraintConfig
from search_spaces.config.groups import GROUP_KEYS, GroupKey, Groups
from search_spaces.config.identity import ADDED_LATER, NOT_IDENTITY
from search_spaces.config.kinds import Absent, Kind, check_installed, members_of
from search_spaces.config.losses.base import Loss, TrainingFacts
from search_spaces.config.losses.binary import (
    AsymmetricFocal,
    AsymmetricMargin,
    AucMargin,
    Bce,
    ClassBalancedBce,
    Ldam,
    Mbauc,
    PartialAuc,
    SymmetricFocal,
    SymmetricMargin,
    WeightedBce,
)
from search_spaces.config.losses.multiclass import (
    ClassBalancedCrossEntropy,
    CrossEntropy,
    DeferredLdam,
    Focal,
    LogitAdjusted,
    VectorScaling,
    WeightedCrossEntropy,
)
from search_spaces.config.losses.multilabel import (
    AsymmetricLoss,
    BothTermsFocal,
    DistributionBalanced,
    MultiLabelBce,
    MultiLabelFocal,
    MultiLabelWeightedBce,
    MultiLabelWeightedFocal,
)
from search_spaces.config.losses.registered import FAMILIES, LOSS_TYPES, LossConfig
from search_spaces.config.metrics import DEFAULT_TARGETS, Metric, Targets, percent
from search_spaces.config.models.base import (
    COSINE_SCALE,
    Drawn,
    FirstWeights,
    Head,
    Initialization,
    Model,
    head_weights,
)
from search_spaces.config.models.own import ResNet10, ResNet32, SmallCnn
from search_spaces.config.models.registered import MODEL_TYPES, ModelConfig
from search_spaces.config.models.torchvision import (
    ConvNeXtTiny,
    DenseNet121,
    EfficientNetB0,
    ResNet18,
    ResNet50,
    TorchvisionModel,
)
from search_spaces.config.registry import Registry
from search_spaces.config.sampling import LabelSetSampler, PowerSampler, Sampler, SamplerName
from search_spaces.config.sources.base import Source
from search_spaces.config.sources.files import BadFiles, ImageFolder, Manifest, Percentiles, Scaling
from search_spaces.config.sources.mosaics import Cifar10Mosaic, DigitMosaic, Mosaic
from search_spaces.config.sources.named import Cifar10, Cifar100, Digits, MedMnist
from search_spaces.config.sources.registered import SOURCE_TYPES, SourceConfig
from search_spaces.config.tasks.base import Comparison, HeldOutDraw, HeldOutName, Task
from search_spaces.config.tasks.binary import Binary
from search_spaces.config.tasks.multiclass import Imbalance, MultiClass
from search_spaces.config.tasks.multilabel import MultiLabel
from search_spaces.config.tasks.registered import DataConfig
from search_spaces.config.training import SCORED_EPOCHS, Adam, OptimizerConfig, ScoredBy, Sgd
from search_spaces.config.trial import REGISTRIES, SCHEMA_VERSION, TrialConfig

__all__ = [
    "ADDED_LATER",
    "AUGMENTATION_TYPES",
    "COSINE_SCALE",
    "DEFAULT_TARGETS",
    "FAMILIES",
    "GROUP_KEYS",
    "LOSS_TYPES",
    "MODEL_TYPES",
    "NOT_IDENTITY",
    "REGISTRIES",
    "SCHEMA_VERSION",
    "SCORED_EPOCHS",
    "SOURCE_TYPES",
    "Absent",
    "Adam",
    "Affine",
    "AsymmetricFocal",
    "AsymmetricLoss",
    "AsymmetricMargin",
    "AucMargin",
    "Augmentation",
    "AugmentationConfig",
    "AugmentationStep",
    "BadFiles",
    "Bce",
    "Binary",
    "BothTermsFocal",
    "Cifar10",
    "Cifar10Mosaic",
    "Cifar100",
    "ClassBalancedBce",
    "ClassBalancedCrossEntropy",
    "ClassLabel",
    "Classes",
    "ColorJitter",
    "Comparison",
    "ConstraintConfig",
    "ConvNeXtTiny",
    "CrossEntropy",
    "CutMix",
    "DataConfig",
    "DeferredLdam",
    "DenseNet121",
    "DigitMosaic",
    "Digits",
    "DistributionBalanced",
    "Drawn",
    "EfficientNetB0",
    "FirstWeights",
    "Focal",
    "Frozen",
    "GroupKey",
    "Groups",
    "Head",
    "HeldOutDraw",
    "HeldOutName",
    "HorizontalFlip",
    "ImageFolder",
    "Imbalance",
    "Initialization",
    "Kind",
    "LabelSetSampler",
    "Ldam",
    "LogitAdjusted",
    "Loss",
    "LossConfig",
    "Manifest",
    "Mbauc",
    "MedMnist",
    "Metric",
    "Mixup",
    "Model",
    "ModelConfig",
    "Mosaic",
    "MultiClass",
    "MultiLabel",
    "MultiLabelBce",
    "MultiLabelFocal",
    "MultiLabelWeightedBce",
    "MultiLabelWeightedFocal",
    "NonNegative",
    "OptimizerConfig",
    "PartialAuc",
    "Percentiles",
    "PowerSampler",
    "RandomCrop",
    "RandomErasing",
    "Registry",
    "ResNet10",
    "ResNet18",
    "ResNet32",
    "ResNet50",
    "Rotation",
    "Sampler",
    "SamplerName",
    "Scaling",
    "ScoredBy",
    "Sgd",
    "SmallCnn",
    "Source",
    "SourceConfig",
    "SymmetricFocal",
    "SymmetricMargin",
    "Targets",
    "Task",
    "TorchvisionModel",
    "TrainingFacts",
    "TrialConfig",
    "VectorScaling",
    "WeightedBce",
    "WeightedCrossEntropy",
    "check_installed",
    "head_weights",
    "members_of",
    "number",
    "percent",
]
