"""Every base loss as one type of field."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from search_spaces.config.losses.base import AbsentLoss, Loss
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
from search_spaces.config.registry import Registry

# In the row order of the paper's tables.
LOSS_TYPES: Registry[Loss] = Registry(
    Loss,
    AbsentLoss,
    Bce,
    SymmetricMargin,
    SymmetricFocal,
    AsymmetricMargin,
    AsymmetricFocal,
    ClassBalancedBce,
    WeightedBce,
    Ldam,
    Mbauc,
    AucMargin,
    PartialAuc,
    CrossEntropy,
    Focal,
    WeightedCrossEntropy,
    ClassBalancedCrossEntropy,
    DeferredLdam,
    LogitAdjusted,
    VectorScaling,
    MultiLabelBce,
    MultiLabelWeightedBce,
    MultiLabelFocal,
    MultiLabelWeightedFocal,
    BothTermsFocal,
    AsymmetricLoss,
    DistributionBalanced,
)
FAMILIES = tuple(loss.family for loss in LOSS_TYPES)

if TYPE_CHECKING:
    LossConfig: TypeAlias = Loss
else:
    LossConfig = LOSS_TYPES.annotation()
