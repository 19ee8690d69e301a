"""What roundings do to results, and what each way of scoring a replicate makes of it; nothing is trained.

The four ways are those of `TrialConfig.scored`. Training does not depend on them, so all are computed from
the same trainings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
    values: dict[tuple[str, int], dict[str, float]] = {}
    records: dict[tuple[str, int], ValidationRecord] = {}
    for config in configs:
        trial_id = config.trial_id
        for rounding in roundings:
            own = [c for c in curves if (c.trial_id, c.rounding) == (trial_id, rounding)]
            scores = [scores_of(curve, option) for curve in own]
            validation, test = (np.mean(part, axis=0, dtype=np.float64) for part in zip(*scores, strict=True))
            of_validation, of_test = targets[trial_id]
            values[trial_id, rounding] = metrics.summarize(of_test, test)
            found = metrics.summarize(of_validation, validation)
            records[trial_id, rounding] = ValidationRecord(
                trial_id, len(own), len(own), found, mean_steering=float("nan")
            )
    ids = [config.trial_id for config in configs]
    auroc = np.array([[values[i, r]["auroc"] for r in roundings] for i in ids])
    fpr = 100 * np.array([[values[i, r][FPR] for r in roundings] for i in ids])
    rule = rule_of(configs[0].data, None, DEFAULT_TARGETS)
    shares = [_agreement(cell, records, roundings, rule) for cell in _cells(configs)]
    over_roundings, over_seeds = _spread(curves, targets, option)
    equal, replicates, difference, largest = _differences(curves, option)
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


def _spread(
    curves: Sequence[Curve], targets: Mapping[str, tuple[Labels, Labels]], option: ScoredBy
) -> tuple[float, float]:
    """Deviation of a replicate's test AUROC over roundings, and over seeds."""
    by_replicate: dict[tuple[str, int], list[float]] = {}
    by_rounding: dict[tuple[str, int], list[float]] = {}
    for curve in curves:
        value = metrics.auroc(targets[curve.trial_id][1], scores_of(curve, option)[1])
        by_replicate.setdefault((curve.trial_id, curve.seed), []).append(value)
        by_rounding.setdefault((curve.trial_id, curve.rounding), []).append(value)
    over = [np.mean([np.std(v, ddof=1) for v in groups.values()]) for groups in (by_replicate, by_rounding)]
    return float(over[0]), float(over[1])


def _differences(curves: Sequence[Curve], option: ScoredBy) -> tuple[int, int, float, float]:
    """Equal replicates, all replicates, the largest difference from rounding 0, the largest score there."""
    plain = {(c.trial_id, c.seed): scores_of(c, option)[1] for c in curves if c.rounding == 0}
    rounded = [c for c in curves if c.rounding != 0]
    found = [scores_of(c, option)[1] - plain[c.trial_id, c.seed] for c in rounded]
    largest = max(float(np.abs(scores).max()) for scores in plain.values())
    equal = sum(not difference.any() for difference in found)
    return equal, len(found), max(float(np.abs(d).max()) for d in found), largest
