"""How much better the chosen configuration looks on validation than it is, because it was chosen there.

The best of many candidates owes part of its lead to the examples that chose it. Corrected is that by a
bootstrap over validation examples: choose among the candidates on the examples that are drawn, judge the
choice on those that are not, and average (bootstrap bias correction; Tsamardinos, Greasidou and Borboudakis,
"Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", Machine Learning
107, 2018). No network is trained again.

The examples that a draw leaves out have luck of their own, which few draws do not average away. It shows in
all candidates, whose values are known: what they are above these on average, times the coefficient of a
regression, is taken off (a control variate).

It corrects the choice among configurations. Each network's epoch was chosen on the same examples too, and
that is not corrected: `scored: last` chooses none. What either choice adds, and what the correction leaves,
is simulated: docs/benchmarks-intervals.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Cell
from analysis.records import Scored, ValidationRecord
from analysis.select import Rule, ranked
from analysis.statistics.draws import example_draws
from analysis.statistics.resampled import examples_key
from search_spaces.config import Targets
from trainer.metrics.resampled import Counts
from trainer.tasks.base import TaskArrays, task_arrays

DRAWS = 500  # of which a mean is taken: fewer will do than for an interval's ends
_LEFT_OUT = math.exp(-1)  # the share of examples that a draw leaves out


@dataclass(frozen=True)
class Choice:
    """The validation value of a chosen configuration, as the rule has it, and without its luck.

    candidates   among which it was chosen, as complete as it
    value        what the rule goes by
    corrected    the same, corrected for the choice; NaN where that cannot be
    error        of `corrected`, for the draws are few: a standard error; 0 where nothing was drawn
    reason       why it cannot be corrected
    scored_last  where an epoch was chosen: the value of the same configuration with `scored: last`, if it was
                 a candidate; else NaN
    """

    candidates: int
    value: float
    corrected: float = math.nan
    error: float = 0.0
    reason: str = ""
    scored_last: float = math.nan


def choice_of(cell: Cell, rates: Targets, draws: int = DRAWS) -> Choice | None:
    """The choice that was made in a cell; None where none was.

    `rates` are those at which ROC curves are read, among them the rule's.
    """
    choice = _choice(cell, rates, draws)
    return None if choice is None else replace(choice, scored_last=_scored_last(cell))


def _scored_last(cell: Cell) -> float:
    """What the rule says of the chosen configuration where no epoch is chosen, if that was trained too."""
    if cell.chosen is None or cell.chosen.config.scored == "last":
        return math.nan
    wanted = cell.chosen.config.model_copy(update={"scored": "last"}).trial_id
    for one in cell.candidates:
        if one.trial_id == wanted and one.validation is not None and one.validation.complete:
            return cell.rule.value(one.validation)
    return math.nan


def _choice(cell: Cell, rates: Targets, draws: int) -> Choice | None:
    rule = cell.rule
    if cell.chosen is None or cell.chosen.validation is None or not rule.selects or rule.reads_test:
        return None
    chosen = cell.chosen.validation
    if rule.confirms:  # chosen elsewhere, so these seeds lend it no luck
        return Choice(1, rule.value(chosen), rule.value(chosen))
    records = [one.validation for one in cell.candidates if one.validation is not None]
    rivals = [one for one in ranked(records, rule) if one.complete == chosen.complete]
    value = rule.value(chosen)
    scored = [one.examples for one in rivals if one.examples is not None]
    reason = _why_not(rule, rivals, scored, draws)
    arrays = task_arrays(cell.data, rates)
    if not reason:
        unread = arrays.unresolved(scored[0].targets, scored[0].outputs, share=_LEFT_OUT)
        if rule.metric.name in unread:
            reason = "too few validation positives are left out of a draw to read that rate"
    if reason:
        return Choice(len(rivals), value, reason=reason)
    if len(rivals) == 1:
        return Choice(1, value, value)
    key = f"choice/{examples_key(cell.data, scored[0].targets, scored[0].groups)}"
    values = np.array([rule.value(one) for one in rivals])
    return Choice(len(rivals), value, *_corrected(arrays, rule, scored, values, draws, key))


def _why_not(rule: Rule, rivals: Sequence[ValidationRecord], scored: Sequence[Scored], draws: int) -> str:
    """Why a choice cannot be corrected; "" where it can."""
    if not draws:
        return "no draws were made"
    if rule.averaged:
        return "the rule goes by single replicates"
    if len(scored) < len(rivals):
        return "validation scores are missing"
    return ""


def _corrected(
    arrays: TaskArrays,
    rule: Rule,
    scored: Sequence[Scored],
    values: NDArray[np.float64],
    draws: int,
    key: str,
) -> tuple[float, float]:
    """The mean over draws of what is chosen in the bag, judged out of it, and its standard error.

    Rivals stand best first; `values` are theirs on all examples.
    """
    first = scored[0]
    strata = arrays.strata(first.targets)
    judged, lucky = [], []
    for counts in example_draws(strata, first.groups, draws=draws, key=key):
        inside = _values(arrays, rule, scored, counts)
        outside = _values(arrays, rule, scored, (counts == 0).astype(np.int16))
        gains = np.where(np.isnan(inside), -np.inf, rule.metric.gain(1.0) * inside)
        judged.append(outside[np.argmax(gains, axis=0), np.arange(gains.shape[1])])
        lucky.append((outside - values[:, None]).mean(axis=0))
    found, luck = np.concatenate(judged), np.concatenate(lucky)
    known = ~np.isnan(found) & ~np.isnan(luck)
    found, luck = found[known], luck[known]
    if len(found) < 2:
        return math.nan, 0.0
    variance = float(np.var(luck))
    slope = float(np.cov(found, luck, ddof=0)[0, 1]) / variance if variance > 0 else 0.0
    without = found - slope * luck
    return float(without.mean()), float(without.std(ddof=1) / math.sqrt(len(without)))


def _values(arrays: TaskArrays, rule: Rule, scored: Sequence[Scored], counts: Counts) -> NDArray[np.float64]:
    """What the rule goes by, [rivals, draws]."""
    rows = []
    for one in scored:
        if rule.metric.listed:
            values = arrays.resampled_partial(one.targets, one.outputs, counts)
        else:
            values = arrays.resampled(one.targets, one.outputs, counts, headline=True)
        rows.append(values[rule.metric.name])
    return np.stack(rows)
