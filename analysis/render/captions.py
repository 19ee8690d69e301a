"""What the captions of the tables say: they name the metrics of all blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.render.document import DOUBLE_DAGGER
from analysis.statistics.comparison import SIGNIFICANT
from analysis.statistics.intervals import MIN_SEEDS, least_p_over_seeds
from analysis.table_columns import TableColumns
from search_spaces.config import Metric
from search_spaces.config.metrics import auroc
from trainer.metrics.resolution import positives_to_resolve

_ADJUSTED = (
    "Adjusted: decided by the highest z - τ log π, π the classes' shares of the training examples and τ the "
    "one of 0 to 2 with the highest macro F1 on validation; of no trial whose loss or sampler makes up for "
    "rare classes itself."
)
_TUNED = (
    "Tuned: decided at a threshold of each label, chosen on validation for its highest F1; all else at 0.5."
)
BATCHES_CAPTION = (
    "Critical batches: of a row with the constraint, the share of training batches that hold a critical "
    "example."
)
_AT_RATE = {
    "fpr_at_tpr": "false positive rate in % at a true positive rate of at least",
    "tpr_at_fpr": "true positive rate in % at a false positive rate of at most",
}


def best_caption(
    columns: Iterable[TableColumns],
    *,
    is_drawn: bool = True,
    is_selected: bool = True,
    tells_last: bool = False,
) -> str:
    """The caption of the best-configuration tables of these blocks.

    is_drawn      whether test examples were drawn, for intervals
    is_selected   whether a rule chose by validation, so that a column tells its value
    tells_last    whether that column has values of `scored: last` too
    """
    distinct = list(dict.fromkeys(columns))
    shown = "; or ".join(_words(one.shown) for one in distinct)
    of_networks = (
        "in brackets 95 % intervals of these very networks, a stratified bootstrap over test examples"
    )
    of_mean = "in brackets the 95 % interval of the mean over seeds and test examples"
    corrected = "corrected for the choice among the candidates, not for that of each network's epoch"
    caption = f"Test scores averaged over replicates (the ensemble): {shown}; "
    if is_drawn:
        caption += f"{of_networks}; "
    caption += f"{_steering(distinct)} mean ± standard deviation (ddof 0) over replicates, "
    if is_drawn:
        caption += f"{of_mean}; "
    caption += (
        f"of fewer than {MIN_SEEDS}, which allow no interval of their mean, the values of each in brackets. "
    )
    if is_selected:
        caption += "Val.: what the selection rule goes by, on validation"
        in_brackets = [corrected] if is_drawn else []
        if tells_last:
            in_brackets.append("behind last the value of the same configuration with scored: last")
        caption += f"; in brackets {'; '.join(in_brackets)}. " if in_brackets else ". "
    caption += "Candidates: complete / all."
    ruled = [metric.name for one in distinct for metric in one.ruled]
    if any(name.startswith("adjusted_") for name in ruled):
        caption += f" {_ADJUSTED}"
    if any(name.startswith("tuned_") for name in ruled):
        caption += f" {_TUNED}"
    return caption


def published_caption(sources: Iterable[str]) -> str:
    """What the published figures are, and whose."""
    return (
        "Published: figures of others for such a configuration, no results of this sweep; nothing is chosen "
        f"by them; from {'; '.join(dict.fromkeys(sources))}."
    )


def unresolved_caption(columns: Iterable[TableColumns]) -> str:
    """What a double dagger means, and how many positives the rates of these columns need."""
    rates: dict[str, None] = {}
    for one in columns:
        for metric in one.known:
            family, _, rate = metric.family.rpartition("_")
            if family == "fpr_at_tpr":
                rates[rate] = None
    return (
        f"{DOUBLE_DAGGER}: not resolved, without interval and never bold: too few test positives to tell "
        f"that true positive rate from 100 % ({needed_words(rates)})."
    )


def needed_words(rates: Iterable[str]) -> str:
    """How many positives true positive rates in % need to be resolved.

    >>> needed_words(["98", "90"])
    '149 for 98 % and 29 for 90 % are needed'
    """
    needs = [f"{positives_to_resolve(float(rate) / 100)} for {rate} %" for rate in rates]
    return f"{_and(needs, ' and ')} are needed"


def comparison_caption(columns: Iterable[TableColumns], seeds: Sequence[int]) -> str:
    """The caption of the comparison with and without the constraint; `seeds` are how many pairs have."""
    least = [f"{least_p_over_seeds(number):.2g} with {number}" for number in seeds if number]
    over_seeds = ""
    if least:
        over_seeds = (
            " There is no test over seeds alone: it would hold the test examples fixed, and could give no p "
            f"below {_and(least, ' or ')} seeds."
        )
    return (
        "Test scores with the constraint minus without. Δ of a metric: of the two ensembles as fixed "
        "classifiers; in brackets its 95 % interval over test examples; p two-sided, of DeLong's test for an "
        "AUC and of a paired bootstrap for all else, corrected by Holm's method for all complete pairs of "
        f"the table in this metric; bold at p ≤ {SIGNIFICANT:g}. Mean over seeds: of {_steering(columns)} of "
        "single networks; in brackets its 95 % interval over seeds and test examples, and in how many seeds "
        f"the constraint is better. Candidates: trials chosen among, with / without.{over_seeds} †: a cell "
        "of the row is incomplete or has pruned candidates."
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
    families: dict[str, list[Metric]] = {}
    for metric in metrics:
        family = metric.family.rpartition("_")[0]
        if family not in _AT_RATE:
            family = metric.family
        families.setdefault(family, []).append(metric)
    phrases = []
    for family, alike in families.items():
        phrases.append(_phrase(family, alike))
    return _and(phrases, ", and ")


def _phrase(family: str, alike: Sequence[Metric]) -> str:
    """What metrics have in common: their measure, at which rates, and of which classes."""
    if family in _AT_RATE:
        rates = dict.fromkeys(metric.family.rpartition("_")[2] for metric in alike)
        phrase = f"{_AT_RATE[family]} {_and(list(rates), ' and ')} %"
        is_of_columns = alike[0].is_of_one_class
        return f"{phrase} of each critical class" if is_of_columns else phrase
    if len(alike) == 1:
        return alike[0].header
    measure, which = alike[0].header.partition(" of ")[0], "class"
    if family == auroc().name:
        which = "critical class"
    unit = " (%)" if alike[0].scale == 100 else ""
    return f"{measure} of each {which}{unit}"


def _and(words: Sequence[str], last: str) -> str:
    """Words with commas between them, `last` before the last one: "98, 95 and 90"."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + last + words[-1]
