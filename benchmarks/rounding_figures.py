"""What roundings do to results, and what each way of scoring a replicate makes of it; nothing is trained.

The four ways are those of `TrialConfig.scored`. Training does not depend on them, so all are computed from
the same trainings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.records import ValidationRecord
from analysis.select import Rule, rule_of, select
from benchmarks.rounding_runs import Curve, Scores
from search_spaces.config import DEFAULT_TARGETS, ScoredBy, TrialConfig
from search_spaces.rows import CellKey, cell_key
from trainer.metrics import binary as metrics
from trainer.scored import ScoredEpochs, mean_scores

FPR = "fpr_at_tpr_98"
Labels = NDArray[np.uint8]
# A replicate, its validation scores and its test scores.
_Scored = tuple[Curve, Scores, Scores]


@dataclass(frozen=True)
class Figures:
    """What one way of scoring makes of the roundings.

    auroc             mean over trials and roundings of the ensemble's test AUROC
    auroc_deviation   of the ensemble's test AUROC over roundings (ddof 1), mean over trials
    fpr, fpr_deviation   the same of its FPR at 98 % TPR, in percent
    same_choice       share of pairs of roundings that choose the same trial, mean over cells with a choice
    cells             number of such cells
    over_roundings    deviation of one replicate's test AUROC over roundings (ddof 1), mean over replicates
    over_seeds        deviation of it over the seeds of a trial (ddof 1), mean over trials and roundings
    equal             replicates whose test scores equal the unrounded ones, of `replicates`
    difference        the largest difference of a test score from the unrounded one
    largest           the largest unrounded test score, by its absolute value
    """

    auroc: float
    auroc_deviation: float
    fpr: float
    fpr_deviation: float
    same_choice: float
    cells: int
    over_roundings: float
    over_seeds: float
    equal: int
    replicates: int
    difference: float
    largest: float


def scores_of(curve: Curve, option: ScoredBy) -> tuple[Scores, Scores]:
    """A replicate's validation and test scores under an option of `TrialConfig.scored`."""
    scored = ScoredEpochs(option)
    for epoch, (auroc, loss) in enumerate(zip(curve.auroc, curve.loss, strict=True)):
        scored.offer(epoch, float(auroc), float(loss), {}, curve.validation[epoch])
    return scored.validation_scores(), mean_scores([curve.test[epoch] for epoch in scored.epochs])


def figures(
    configs: Sequence[TrialConfig],
    curves: Sequence[Curve],
    targets: Mapping[str, tuple[Labels, Labels]],
    option: ScoredBy,
) -> Figures:
    """The figures of one option; `targets` are validation's and test's, by trial id."""
    roundings = sorted({curve.rounding for curve in curves})
    scored = [(curve, *scores_of(curve, option)) for curve in curves]
    records: dict[tuple[str, int], ValidationRecord] = {}
    auroc = np.empty((len(configs), len(roundings)))
    fpr = np.empty_like(auroc)
    for row, config in enumerate(configs):
        trial_id = config.trial_id
        of_validation, of_test = targets[trial_id]
        for column, rounding in enumerate(roundings):
            own = [one for one in scored if (one[0].trial_id, one[0].rounding) == (trial_id, rounding)]
            _, validation, test = zip(*own, strict=True)
            values = metrics.summarize(of_test, np.mean(test, axis=0, dtype=np.float64))
            auroc[row, column], fpr[row, column] = values["auroc"], 100 * values[FPR]
            found = metrics.summarize(of_validation, np.mean(validation, axis=0, dtype=np.float64))
            records[trial_id, rounding] = ValidationRecord(
                trial_id, len(own), len(own), found, mean_steering=float("nan")
            )
    rule = rule_of(configs[0].data, None, DEFAULT_TARGETS)
    shares = [_agreement(cell, records, roundings, rule) for cell in _cells(configs)]
    over_roundings, over_seeds = _spread(scored, targets)
    equal, replicates, difference, largest = _differences(scored)
    return Figures(
        auroc=float(auroc.mean()),
        auroc_deviation=float(auroc.std(axis=1, ddof=1).mean()),
        fpr=float(fpr.mean()),
        fpr_deviation=float(fpr.std(axis=1, ddof=1).mean()),
        same_choice=float(np.mean(shares)) if shares else float("nan"),
        cells=len(shares),
        over_roundings=over_roundings,
        over_seeds=over_seeds,
        equal=equal,
        replicates=replicates,
        difference=difference,
        largest=largest,
    )


def _cells(configs: Sequence[TrialConfig]) -> list[list[str]]:
    """Trial ids of each table cell that has something to choose from."""
    cells: dict[CellKey, list[str]] = {}
    for config in configs:
        cells.setdefault(cell_key(config), []).append(config.trial_id)
    return [ids for ids in cells.values() if len(ids) > 1]


def _agreement(
    ids: Sequence[str],
    records: Mapping[tuple[str, int], ValidationRecord],
    roundings: Sequence[int],
    rule: Rule,
) -> float:
    """The share of pairs of roundings in which the table's rule chooses the same of these trials."""
    choices = []
    for rounding in roundings:
        chosen = select([records[i, rounding] for i in ids], rule)
        choices.append("" if chosen is None else chosen.trial_id)
    same = sum(count * (count - 1) // 2 for count in Counter(choices).values())
    return same / len(list(combinations(choices, 2)))


def _spread(scored: Sequence[_Scored], targets: Mapping[str, tuple[Labels, Labels]]) -> tuple[float, float]:
    """Deviation of a replicate's test AUROC over roundings, and over seeds."""
    by_replicate: dict[tuple[str, int], list[float]] = {}
    by_rounding: dict[tuple[str, int], list[float]] = {}
    for curve, _, test in scored:
        value = metrics.auroc(targets[curve.trial_id][1], test)
        by_replicate.setdefault((curve.trial_id, curve.seed), []).append(value)
        by_rounding.setdefault((curve.trial_id, curve.rounding), []).append(value)
    return _mean_deviation(by_replicate.values()), _mean_deviation(by_rounding.values())


def _mean_deviation(groups: Iterable[Sequence[float]]) -> float:
    return float(np.mean([np.std(values, ddof=1) for values in groups]))


def _differences(scored: Sequence[_Scored]) -> tuple[int, int, float, float]:
    """Equal replicates, all replicates, the largest difference from rounding 0, the largest score there."""
    plain = {(curve.trial_id, curve.seed): test for curve, _, test in scored if curve.rounding == 0}
    found = [test - plain[curve.trial_id, curve.seed] for curve, _, test in scored if curve.rounding != 0]
    largest = max(float(np.abs(scores).max()) for scores in plain.values())
    equal = sum(not difference.any() for difference in found)
    return equal, len(found), max(float(np.abs(d).max()) for d in found), largest
