"""A sweep that confirms another's choices on fresh seeds: each winner against its runner-up.

The choice stands, whichever of the two leads now: a table that took the better of the two again would choose
anew, with the luck of the fresh seeds. Fresh seeds undo the luck of the seeds that chose. Validation and test
examples are the same, so what is due to these stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.cells import Cell
from analysis.load import SweepRecords, read_test
from analysis.records import TestRecord, TrialRecord
from analysis.statistics.comparison import Comparison, compare
from analysis.statistics.draws import DRAWS
from analysis.statistics.resampled import resample
from analysis.table_columns import column_name
from search_spaces.config import Metric
from search_spaces.errors import InputError
from search_spaces.words import count
from trainer.store import Store, SweepManifest

NOTE = (
    "Fresh seeds correct for lucky seeds, not for validation and test examples: those chose and judged "
    "before."
)


@dataclass(frozen=True)
class Confirmation:
    """A cell's choice and its runner-up on fresh seeds.

    cell          whose `chosen` is the trial that was chosen before
    runner_up     the candidate that came second; None where there was none
    raced_after   after how many replicates a race had left it behind; None where none did
    test          its test results; None where it has none
    comparisons   the winner minus the runner-up in every headline metric, where both have results
    """

    cell: Cell
    runner_up: TrialRecord | None
    raced_after: int | None
    test: TestRecord | None
    comparisons: tuple[Comparison, ...]

    @property
    def values(self) -> tuple[float, float]:
        """What the rule goes by, on validation and fresh seeds: of the winner, of the runner-up; or NaN."""
        found = []
        for trial in (self.cell.chosen, self.runner_up):
            record = None if trial is None else trial.validation
            found.append(math.nan if record is None else self.cell.rule.value(record))
        return found[0], found[1]

    @property
    def runner_up_leads(self) -> bool:
        """Whether the rule would now choose the other one."""
        winner, runner_up = map(self.cell.rule.metric.gain, self.values)
        return runner_up > winner


def settled_rule(manifest: SweepManifest, rule: str | None) -> str | None:
    """The rule that a sweep's table goes by: of one that confirms choices that which made them.

    Raises InputError for another one.
    """
    if manifest.confirms is None:
        return rule
    settled = manifest.confirms.rule
    if rule not in (None, settled):
        raise InputError(
            f"--rule: expected {settled or 'none'}, by which {manifest.confirms.sweep} chose what "
            f"{manifest.name} confirms, given {rule}"
        )
    return settled


def confirmations(
    store: Store,
    cells: Sequence[Cell],
    metrics: Mapping[str, Sequence[Metric]],
    records: SweepRecords,
    draws: int = DRAWS,
) -> tuple[Confirmation, ...]:
    """Each choice that a sweep confirms; none of a sweep that confirms nothing.

    metrics   the headline metrics of a table, by the block's label

    Raises StoreError as `read_test` does.
    """
    if records.confirms is None:
        return ()
    second = {choice.winner: choice.runner_up for choice in records.confirms.cells}
    raced = {choice.winner: choice.raced_after for choice in records.confirms.cells}
    by_id = {trial.trial_id: trial for trial in records.trials}
    pairs = []
    for cell in cells:
        winner = next((one for one in cell.candidates if one.trial_id in second), None)
        runner_up = by_id.get(second[winner.trial_id] or "") if winner is not None else None
        test = None if runner_up is None else read_test(store, runner_up, records.rates)
        pairs.append((cell, runner_up, test))
    tests = []
    for cell, _, test in pairs:
        tests += [one for one in (cell.test, test) if one is not None and test is not None]
    resampled = resample(tests, draws)
    found = []
    for cell, runner_up, test in pairs:
        comparisons: tuple[Comparison, ...] = ()
        if test is not None and cell.test is not None:
            comparisons = compare(test, cell.test, metrics[cell.block], resampled)
        found.append(Confirmation(cell, runner_up, raced.get(cell.chosen_id), test, comparisons))
    return tuple(found)


def confirmed_facts(manifest: SweepManifest, found: Sequence[Confirmation]) -> list[str]:
    """What holds for the tables of a sweep that confirms choices, a line each; nothing of any other."""
    if manifest.confirms is None:
        return []
    seeds = sorted({seed for config in manifest.trials for seed in config.seeds})
    told = f"Confirms the choices of the sweep {manifest.confirms.sweep} on {count(len(seeds), 'fresh seed')}"
    return [f"{told}, {', '.join(map(str, seeds))}. {NOTE}", *confirmed_notes(found)]


def confirmed_notes(found: Sequence[Confirmation]) -> list[str]:
    """Where the runner-up leads now, and where a race had left it behind: a line each."""
    notes = []
    compared = [one for one in found if not any(map(math.isnan, one.values))]
    leads = [one for one in compared if one.runner_up_leads]
    if compared:
        notes.append(f"The runner-up leads on validation in {len(leads)} of {count(len(compared), 'cell')}.")
    for one in leads:
        metric, (winner, runner_up) = one.cell.rule.metric, one.values
        notes.append(
            f"{one.cell.block}, {one.cell.row}: the runner-up leads now, validation {metric.words} "
            f"{runner_up:.6g} against {winner:.6g}; the choice stands."
        )
    for one in found:
        if one.raced_after is not None:
            notes.append(
                f"{one.cell.block}, {one.cell.row}: a race had left the runner-up behind after "
                f"{count(one.raced_after, 'replicate')}; it came second by these alone."
            )
    return notes


def confirmed_frame(found: Sequence[Confirmation]) -> pd.DataFrame:
    """A row per headline metric of each cell: the winner against its runner-up, on fresh seeds.

    block                  data set and ratio
    row                    the settings that make the row
    complete               whether both have every replicate
    winner                 the trial that was chosen before
    runner_up              the one that came second; empty where there was none, as all that follows
    raced_after            after how many replicates a race had left it behind; empty where none did
    val_winner             what the rule goes by, of the winner, on validation
    val_runner_up          of the runner-up
    runner_up_leads        whether the rule would now choose the other one
    metric                 what is compared, of the test examples, 0 to 1
    resolved               whether there are positives enough to read it
    test_winner            of the winner's ensemble
    test_runner_up         of the runner-up's
    difference             of the two, the winner minus the runner-up
    low                    lower end of its 95 % interval over test examples
    high                   upper end
    mean_difference        mean over the seeds
    mean_low               lower end of its 95 % interval over seeds and test examples; empty below 6
    mean_high              upper end
    seeds                  how many both have
    """
    rows: list[dict[str, Any]] = []
    for one in found:
        row = _row(one)
        for comparison in one.comparisons:
            rows.append({**row, **_compared(one, comparison)})
        if not one.comparisons:
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


_COLUMNS = (
    "block",
    "row",
    "complete",
    "winner",
    "runner_up",
    "raced_after",
    "val_winner",
    "val_runner_up",
    "runner_up_leads",
    "metric",
    "resolved",
    "test_winner",
    "test_runner_up",
    "difference",
    "low",
    "high",
    "mean_difference",
    "mean_low",
    "mean_high",
    "seeds",
)


def _row(one: Confirmation) -> dict[str, Any]:
    cell, other = one.cell, one.runner_up
    winner, runner_up = one.values
    return {
        "block": cell.block,
        "row": cell.row,
        "complete": cell.comparable and (other is None or other.complete),
        "winner": cell.chosen_id,
        "runner_up": "" if other is None else other.trial_id,
        "raced_after": pd.NA if one.raced_after is None else one.raced_after,
        "val_winner": winner,
        "val_runner_up": runner_up,
        "runner_up_leads": one.runner_up_leads,
    }


def _compared(one: Confirmation, found: Comparison) -> dict[str, Any]:
    name = found.metric.name
    tests = [math.nan if test is None else test.metrics[name] for test in (one.cell.test, one.test)]
    return {
        "metric": column_name(found.metric),
        "resolved": found.resolved,
        "test_winner": tests[0],
        "test_runner_up": tests[1],
        "difference": found.difference,
        "low": found.interval.low,
        "high": found.interval.high,
        "mean_difference": found.mean_difference,
        "mean_low": found.mean_interval.low,
        "mean_high": found.mean_interval.high,
        "seeds": len(found.seeds),
    }
