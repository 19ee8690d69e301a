"""What the captions of the tables say: they name the metrics of all blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.table_columns import TableColumns
from search_spaces.config import Metric

_AT_RATE = {
    "fpr_at_tpr": "false positive rate in % at a true positive rate of at least",
    "tpr_at_fpr": "true positive rate in % at a false positive rate of at most",
}


def best_caption(columns: Iterable[TableColumns]) -> str:
    """The caption of the best-configuration tables of these blocks."""
    distinct = list(dict.fromkeys(columns))
    shown = "; or ".join(_words(one.shown) for one in distinct)
    return (
        f"Test scores averaged over replicates (the ensemble): {shown}; in brackets 95 % intervals, a "
        "stratified bootstrap over test examples of these very networks; "
        f"{_steering(distinct)} mean ± standard deviation (ddof 0) over replicates. "
        "Candidates: complete / all."
    )


def comparison_caption(columns: Iterable[TableColumns]) -> str:
    """The caption of the comparison with and without the constraint."""
    return (
        f"Mean over seeds of the difference in test {_steering(columns)}, with the constraint minus without; "
        "95 % percentile bootstrap interval over seeds and test examples; Wilcoxon's signed-rank test over "
        "seeds, two-sided, not corrected for the number of rows. The interval asks what other seeds and "
        "other test examples would give, p what other seeds would give on these test examples: one may "
        "exclude 0 and the other not. †: a cell of the row is incomplete or has pruned candidates."
    )


def _steering(columns: Iterable[TableColumns]) -> str:
    """What steers the tasks: "AUC"; "AUC or Critical AUC"."""
    return " or ".join(dict.fromkeys(one.steering.header for one in columns))


def _words(metrics: Sequence[Metric]) -> str:
    """What the columns are, one phrase for all of a kind.

    >>> from search_spaces.config.metrics import auroc, fpr_at_tpr
    >>> _words([auroc(), fpr_at_tpr(0.98), fpr_at_tpr(0.9)])
    'AUC, and false positive rate in % at a true positive rate of at least 98 and 90 %'
    """
    kinds: dict[str, list[Metric]] = {}
    for metric in metrics:
        kinds.setdefault(metric.name.partition("/")[0], []).append(metric)
    phrases: dict[str, list[str]] = {}
    for kind, alike in kinds.items():
        measure, _, rate = kind.rpartition("_")
        if measure in _AT_RATE:
            phrases.setdefault(_AT_RATE[measure], []).append(rate)
        else:
            phrases[_plain(alike)] = []
    told = []
    for phrase, rates in phrases.items():
        if rates:
            phrase = f"{phrase} {_and(rates, ' and ')} %"
        told.append(phrase)
    return _and(told, ", and ")


def _plain(alike: Sequence[Metric]) -> str:
    """One metric by its header, several columns' by what is theirs in common."""
    if len(alike) == 1:
        return alike[0].header
    return f"{alike[0].header.partition(' of ')[0]} of each class (%)"


def _and(words: Sequence[str], last: str) -> str:
    """Words with commas between them, `last` before the last one: "98, 95 and 90"."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + last + words[-1]
