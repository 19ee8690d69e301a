"""Base losses of images with several labels as configuration, one type per loss, told apart by `name`.

The formulas are in `trainer.losses.multilabel`. Counts are those of the training set, before any sampling:
n_l images of N have label l.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from search_spaces.config.base import NonNegative
from search_spaces.config.losses.base import Loss, TrainingFacts

# A label's weight: (N - n_l) / n_l, or (n_1 + n_2 + ...) / n_l.
Weighting: TypeAlias = Literal["negatives_per_positive", "inverse_share"]


def label_weights(weighting: Weighting, facts: TrainingFacts) -> tuple[float, ...]:
    """The weight of each label.

    >>> facts = TrainingFacts((19_000, 65_000, 38_000, 105_000), 1.0, 224_000)
    >>> [round(weight, 2) for weight in label_weights("negatives_per_positive", facts)]
    [10.79, 2.45, 4.89, 1.13]
    >>> [round(weight, 2) for weight in label_weights("inverse_share", facts)]
    [11.95, 3.49, 5.97, 2.16]
    """
    if weighting == "inverse_share":
        return tuple(sum(facts.counts) / count for count in facts.counts)
    return tuple((facts.examples - count) / count for count in facts.counts)


class _OfLabels(Loss):
    """A loss of a logit per label, a mean over examples and labels."""

    tasks: ClassVar[frozenset[str]] = frozenset({"multi_label"})
    outputs: ClassVar[int | Literal["classes"]] = "classes"
    takes_mixed: ClassVar[bool] = True


class MultiLabelBce(_OfLabels):
    """ML-BCE: binary cross-entropy of each label."""

    implementation: ClassVar[str] = "trainer.losses.multilabel:bce"
    family: ClassVar[str] = "ML-BCE"
    name: Literal["ml_bce"] = "ml_bce"


class _Weighing(_OfLabels):
    """One whose terms are weighted by how often each label occurs."""

    corrects_counts: ClassVar[bool] = True
    weighting: Weighting

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
        """The fields, the weights in place of their rule."""
        fields = {key: value for key, value in super().parameters(facts).items() if key != "weighting"}
        return {**fields, "weights": label_weights(self.weighting, facts)}


class MultiLabelWeightedBce(_Weighing):
    """ML-W-BCE: binary cross-entropy whose positive terms are weighted (torch's `pos_weight`).

    weighting   "negatives_per_positive": (N - n_l) / n_l, images without a label per image with it;
                "inverse_share": all positive labels per positive one of this label
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:WeightedBce"
    family: ClassVar[str] = "ML-W-BCE"
    name: Literal["ml_w_bce"] = "ml_w_bce"
    weighting: Weighting = "negatives_per_positive"


class MultiLabelFocal(_OfLabels):
    """ML-FL: sigmoid focal loss of each label (Lin et al. 2017), without weights.

    gamma   exponent g; the higher, the less a decision counts that is told well
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:focal"
    family: ClassVar[str] = "ML-FL"
    name: Literal["ml_fl"] = "ml_fl"
    gamma: float = Field(default=2.0, gt=0)


class MultiLabelWeightedFocal(_Weighing):
    """ML-W-FL: sigmoid focal loss whose positive terms are weighted.

    gamma       exponent g
    weighting   of positive terms, as of `ml_w_bce`
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:WeightedFocal"
    family: ClassVar[str] = "ML-W-FL"
    name: Literal["ml_w_fl"] = "ml_w_fl"
    gamma: float = Field(default=2.0, gt=0)
    weighting: Weighting = "negatives_per_positive"


class BothTermsFocal(_Weighing):
    """ML-FL-2: focal loss on probabilities whose positive and negative terms are weighted alike.

    It is what a question that is often asked does (docs/multilabel.md): a weight on both terms makes a label
    count more, and moves no decision of it.

    gamma       exponent g
    weighting   of both terms, as of `ml_w_bce`
    epsilon     what is added to probabilities inside the logarithm
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:BothTermsFocal"
    family: ClassVar[str] = "ML-FL-2"
    name: Literal["ml_fl_both"] = "ml_fl_both"
    gamma: float = Field(default=1.5, ge=1)
    weighting: Weighting = "inverse_share"
    epsilon: float = Field(default=1e-6, gt=0, le=0.01)


class AsymmetricLoss(_OfLabels):
    """ASL: asymmetric loss (Ridnik et al. 2021).

    gamma_positive   exponent g+ of positive terms
    gamma_negative   exponent g- of negative ones
    margin           m: a negative of a probability below it counts nothing
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:asymmetric"
    family: ClassVar[str] = "ASL"
    name: Literal["asymmetric"] = "asymmetric"
    gamma_positive: NonNegative = 0.0
    gamma_negative: float = Field(default=4.0, ge=1)
    margin: float = Field(default=0.05, gt=0, lt=1)


class DistributionBalanced(_OfLabels):
    """DB: distribution-balanced loss (Wu et al. 2020).

    alpha    a, by which all weights are lifted
    beta     b, how steeply weights rise
    center   m, the re-balanced weight in the middle of that rise
    scale    l: negatives that are told well count the less, the higher it is
    shift    k: by k log((N - n_l) / n_l) logits are lowered in training

    The configurations that its authors publish have a = 0.1, b = 10 and k = 0.05 for both of their data sets;
    m = 0.2 and l = 2 for COCO-MLT, m = 0.3 and l = 5 for VOC-MLT. They use it with a focal term, which is not
    here.
    """

    implementation: ClassVar[str] = "trainer.losses.multilabel:DistributionBalanced"
    family: ClassVar[str] = "DB"
    corrects_counts: ClassVar[bool] = True
    name: Literal["distribution_balanced"] = "distribution_balanced"
    alpha: NonNegative = 0.1
    beta: float = Field(default=10.0, gt=0)
    center: float = Field(default=0.2, gt=0)
    scale: float = Field(default=5.0, gt=0)
    shift: NonNegative = 0.05

    def parameters(self, facts: TrainingFacts) -> Mapping[str, object]:
        """The fields, the images with each label, and all."""
        return {**super().parameters(facts), "counts": facts.counts, "examples": facts.examples}
