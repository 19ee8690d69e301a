"""Base losses of images with several labels as configuration, one type per loss, told apart by `name`.

The formulas are in `trainer.losses.multilabel`. Counts are those of the training set, before any sampling.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from search_spaces.config.losses.base import Loss


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
