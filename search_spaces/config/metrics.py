"""What is measured, declared once: a metric's name, which way is better, and how tables write it.

A task lists its metrics (`search_spaces.config.tasks`). The rates at which ROC curves are read are data of a
sweep, `Targets`: no part of a trial's identity, as stored scores give any of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, field_validator

from search_spaces.config.base import Frozen

Rate = Annotated[float, Field(gt=0, lt=1)]

Role = Literal["headline", "curve", "summary"]


@dataclass(frozen=True)
class Metric:
    """One number of scores against targets.

    name     as in records, tables' columns and MLflow, there behind "val/" or "test/"
    better   which way is better
    header   as a table's head has it, with the unit of `scale`
    words    as a sentence has it
    scale    by what a table multiplies the value: 100 for per cent
    role     where it is shown: "headline" everywhere, from the ensemble's curves to the tables, and it may be
             an objective; "curve" per epoch of each replicate, and at the end; "summary" at the end
    tabled   whether tables show it though it is no headline one
    mean_of  of which metric of its task's columns it is the mean ("auroc"); "" for none
    counts   whether it is a number of examples, which is written as a whole one
    listed   whether the CSV file of a table has it, without interval, though no table prints it
    trivial  what scores that know nothing reach, or one answer for all examples; None where that depends on
             the data
    """

    name: str
    better: Literal["higher", "lower"]
    header: str
    words: str
    scale: float = 1.0
    role: Role = "summary"
    tabled: bool = False
    mean_of: str = ""
    trivial: float | None = None
    counts: bool = False
    listed: bool = False

    @property
    def family(self) -> str:
        """The name without the class that it may be of: "recall" of "recall/8"."""
        return self.name.partition("/")[0]

    @property
    def is_of_one_class(self) -> bool:
        """Whether it is about a single class."""
        return self.family != self.name

    def gain(self, value: float) -> float:
        """The value, signed so that higher is better."""
        return value if self.better == "higher" else -value

    def is_trivial(self, value: float) -> bool:
        """Whether a value is no better than what takes no learning.

        >>> fpr_at_tpr(0.98).is_trivial(1.0), auroc().is_trivial(0.7)
        (True, False)
        """
        return self.trivial is not None and self.gain(value) <= self.gain(self.trivial)


class Targets(Frozen):
    """The rates at which a ROC curve is read: FPR at a TPR, and TPR at an FPR.

    tpr   true positive rates at which the false positive rate is read
    fpr   false positive rates at which the true positive rate is read
    """

    tpr: tuple[Rate, ...] = (0.98, 0.95, 0.9)
    fpr: tuple[Rate, ...] = (0.01, 0.05, 0.1)

    @field_validator("tpr", "fpr")
    @classmethod
    def _are_distinct(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        names = [percent(rate) for rate in rates]
        if len(set(names)) != len(names):
            raise ValueError(f"expected distinct rates, given {list(rates)}")
        return rates

    def joined(self, other: Targets) -> Targets:
        """These rates, and behind them those of the other that are new."""
        return Targets(tpr=_joined(self.tpr, other.tpr), fpr=_joined(self.fpr, other.fpr))


DEFAULT_TARGETS = Targets()

# Where partial areas under ROC curves end (`partial_aucs`).
PARTIAL_FPR, PARTIAL_TPR = 0.3, 0.9
TWO_WAY_FPR, TWO_WAY_TPR = 0.3, 0.7

# Training examples of a class of each group of `frequency_group`, in words.
GROUP_SIZES = {"many": "more than 100", "medium": "20 to 100", "few": "fewer than 20"}


# Examples of a label by what they are and what was decided, as tables head them, and which way is better.
COUNTED: dict[str, tuple[str, Literal["higher", "lower"]]] = {
    "true_positives": ("TP", "higher"),
    "false_positives": ("FP", "lower"),
    "false_negatives": ("FN", "lower"),
    "true_negatives": ("TN", "higher"),
}


def percent(rate: float) -> str:
    """A rate in per cent, in its shortest form.

    >>> percent(0.98), percent(0.995), percent(0.05)
    ('98', '99.5', '5')
    """
    return f"{100 * rate:.10g}"


def fpr_at_tpr(rate: float, *, of: str = "") -> Metric:
    """The false positive rate at a true positive rate, `of` a column where a task has several.

    >>> fpr_at_tpr(0.995).name, fpr_at_tpr(0.98, of="8").header
    ('fpr_at_tpr_99.5', 'FPR@98 of 8 (%)')
    """
    text = percent(rate)
    return Metric(
        name=_of_column(f"fpr_at_tpr_{text}", of),
        better="lower",
        header=f"FPR@{text}{_of_words(of)} (%)",
        words=f"FPR at {text} % TPR{_of_words(of)}",
        scale=100.0,
        role="headline",
        trivial=rate,
    )


def tpr_at_fpr(rate: float, *, of: str = "") -> Metric:
    """The true positive rate at a false positive rate, `of` a column where a task has several."""
    text = percent(rate)
    return Metric(
        name=_of_column(f"tpr_at_fpr_{text}", of),
        better="higher",
        header=f"TPR@{text}{_of_words(of)} (%)",
        words=f"TPR at {text} % FPR{_of_words(of)}",
        scale=100.0,
        trivial=rate,
    )


def recall(*, of: str, role: Role = "headline") -> Metric:
    """The share of a class's examples that are taken for it."""
    return Metric(
        name=_of_column("recall", of),
        better="higher",
        header=f"Recall of {of} (%)",
        words=f"recall of {of}",
        scale=100.0,
        role=role,
        tabled=True,
        trivial=0.0,
    )


def frequency_group(examples: int) -> str:
    """The group of a class of so many training examples: "many", "medium" or "few".

    More than 100, 20 to 100, fewer than 20 (Liu et al., "Large-scale long-tailed recognition in an open
    world", CVPR 2019).

    >>> [frequency_group(examples) for examples in (101, 100, 20, 19)]
    ['many', 'medium', 'medium', 'few']
    """
    if examples > 100:
        return "many"
    return "medium" if examples >= 20 else "few"


def group_recalls() -> tuple[Metric, ...]:
    """Per group of `frequency_group` the mean recall of its classes; undefined where a group has none."""
    found = []
    for group, size in GROUP_SIZES.items():
        found.append(
            Metric(
                name=f"recall_{group}",
                better="higher",
                header=f"Recall of {group} (%)",
                words=f"mean recall of classes of {size} training examples",
                scale=100.0,
                tabled=True,
                trivial=0.0,
            )
        )
    return tuple(found)


def auroc(*, of: str = "", role: Role = "headline") -> Metric:
    """The area under the ROC curve, `of` a column where a task has several."""
    which = _of_words(of)
    name = _of_column("auroc", of)
    return Metric(name, "higher", f"AUC{which}", f"AUROC{which}", role=role, tabled=True, trivial=0.5)


def macro_f1() -> Metric:
    """The mean over classes of F1."""
    return Metric("macro_f1", "higher", "Macro F1", "macro F1", role="headline", trivial=0.0)


def accuracy() -> Metric:
    """The share of all examples whose class is decided for."""
    return Metric("accuracy", "higher", "Accuracy (%)", "accuracy", 100.0, "headline")


def partial_aucs(*, of: str = "", mean: bool = False) -> tuple[Metric, ...]:
    """The partial areas of `trainer.metrics.partial`, `of` a column, or their mean over critical columns.

    >>> [metric.name for metric in partial_aucs(mean=True)]
    ['critical_partial_auc_tpr_90', 'critical_partial_auc_fpr_30', 'critical_two_way_partial_auc']
    """
    told = (
        ("partial_auc_tpr_90", "Partial AUC, TPR ≥ 90 %", "partial AUC over TPR from 90 % on", 0.05),
        ("partial_auc_fpr_30", "Partial AUC, FPR ≤ 30 %", "partial AUC over FPR up to 30 %", 0.5),
        ("two_way_partial_auc", "Two-way partial AUC", "two-way partial AUC", None),
    )
    found = []
    for name, header, words, trivial in told:
        metric = Metric(
            name=_of_column(name, of),
            better="higher",
            header=header + _of_words(of),
            words=words + _of_words(of),
            trivial=trivial,
            listed=True,
        )
        if mean:
            metric = replace(
                metric,
                name=f"critical_{name}",
                header=f"Critical {header[0].lower()}{header[1:]}",
                words=f"mean critical {words}",
                mean_of=name,
            )
        found.append(metric)
    return tuple(found)


def calibration_error(*, tabled: bool, of: str = "") -> Metric:
    """How far the decisions' probabilities are from how often they are right, in 15 bins of equal count."""
    name, header = _of_column("calibration_error", of), f"ECE{_of_words(of)} (%)"
    words = f"expected calibration error{_of_words(of)}"
    return Metric(name, "lower", header, words, 100.0, tabled=tabled)


def average_precision(*, of: str) -> Metric:
    """The area under a label's precision-recall curve, as scikit-learn has it."""
    which = _of_words(of)
    name = _of_column("average_precision", of)
    return Metric(name, "higher", f"AP{which}", f"average precision{which}", tabled=True)


def of_labels() -> tuple[Metric, ...]:
    """Means over labels, and what is counted over all of them, of a task with label sets."""
    macro, micro = "macro-averaged over labels", "over all decisions"
    return (
        Metric(
            "mean_average_precision",
            "higher",
            "mAP",
            "mean average precision",
            role="headline",
        ),
        Metric("macro_auroc", "higher", "Macro AUC", "macro AUROC", role="headline", trivial=0.5),
        macro_f1(),
        Metric("micro_f1", "higher", "Micro F1", "micro F1", role="headline", trivial=0.0),
        Metric(
            "critical_f1", "higher", "Critical F1", "mean F1 of critical labels", role="headline", trivial=0.0
        ),
        Metric("macro_precision", "higher", "Macro precision (%)", f"precision {macro}", 100.0, tabled=True),
        Metric("macro_recall", "higher", "Macro recall (%)", f"recall {macro}", 100.0, tabled=True),
        Metric("micro_precision", "higher", "Micro precision (%)", f"precision {micro}", 100.0),
        Metric("micro_recall", "higher", "Micro recall (%)", f"recall {micro}", 100.0),
        calibration_error(tabled=True),
    )


def decision_metrics(*, of: str, role: Role) -> tuple[Metric, ...]:
    """What deciding for a label comes to: F1, of that role, precision, recall, and the four counts.

    Tables show F1 alone; a file of its own holds all of each label (`analysis.labels`).
    """
    which = _of_words(of)
    shares = (
        Metric(_of_column("f1", of), "higher", f"F1{which}", f"F1{which}", 1.0, role, True, trivial=0.0),
        Metric(
            name=_of_column("precision", of),
            better="higher",
            header=f"Precision{which} (%)",
            words=f"precision{which}",
            scale=100.0,
        ),
        replace(recall(of=of, role="summary"), tabled=False),
    )
    counts = []
    for name, (header, better) in COUNTED.items():
        words = f"{name.replace('_', ' ')}{which}"
        counts.append(Metric(_of_column(name, of), better, f"{header}{which}", words, counts=True))
    return (*shares, *counts)


def balanced_accuracy(classes: int, *, role: Role = "summary") -> Metric:
    """The mean of the recall of so many classes."""
    return Metric(
        name="balanced_accuracy",
        better="higher",
        header="Balanced accuracy (%)",
        words="balanced accuracy",
        scale=100.0,
        role=role,
        trivial=1 / classes,
    )


def _joined(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    known = {percent(rate) for rate in first}
    return first + tuple(rate for rate in second if percent(rate) not in known)


def _of_column(name: str, column: str) -> str:
    return f"{name}/{column}" if column else name


def _of_words(column: str) -> str:
    return f" of {column}" if column else ""
