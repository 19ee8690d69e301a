"""A table's cell traced back: what was chosen among what, by which rule, and where each number lies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from analysis.cells import Cell
from analysis.records import TrialRecord, ValidationRecord, shortfall
from analysis.select import Rule, ranked
from analysis.statistics.intervals import MIN_SEEDS, Interval, of_few
from analysis.statistics.sweep import SweepStatistics
from analysis.table_columns import TableColumns
from search_spaces.errors import InputError, unknown_name
from search_spaces.labels import BlockLabels
from search_spaces.words import count
from trainer.store import layout

# Of each: so many lines are told, and how many more there are.
MOST_CANDIDATES = 20


def chosen_cells(cells: Sequence[Cell], block: str | None, row: str | None) -> list[Cell]:
    """The cells of a block and row, both by their labels; None means all.

    Raises InputError, which lists the known labels, where there is no such cell.
    """
    for kind, asked, known in (
        ("block", block, [cell.block for cell in cells]),
        ("row", row, [cell.row for cell in cells if block in (None, cell.block)]),
    ):
        if asked is not None and asked not in known:
            raise InputError(unknown_name(kind, asked, list(dict.fromkeys(known))))
    return [cell for cell in cells if block in (None, cell.block) and row in (None, cell.row)]


def explanation(
    cell: Cell, columns: TableColumns, statistics: SweepStatistics, labels: BlockLabels
) -> Iterator[str]:
    """The lines that trace a cell: its rule, candidates, replicates, numbers and files.

    columns   the metrics that its block's table shows
    labels    those of the sweep's trials
    """
    yield f"{cell.block}, row {cell.row}"
    yield f"rule: {cell.rule.description} ({cell.rule.name})"
    yield from _candidates(cell, labels)
    if cell.chosen is None:
        yield f"no trial can be chosen: {cell.note()}"
        return
    yield f"decided by: {cell.decided_by}"
    choice = statistics.choices.get(cell.chosen_id)
    if choice is not None and choice.candidates > 1:
        told = f"among {count(choice.candidates, 'candidate')}"
        if math.isnan(choice.corrected):
            yield f"not corrected for the choice {told}: {choice.reason}"
        else:
            corrected = f"{choice.corrected:.6g}"
            if choice.error:
                corrected += f" (standard error of its draws {choice.error:.1g})"
            yield f"{cell.rule.metric.words} corrected for the choice {told}: {corrected}"
    if choice is not None and not math.isnan(choice.scored_last):
        told = f"{cell.rule.metric.words} of the same configuration with scored: last"
        yield f"{told}: {choice.scored_last:.6g}"
    yield f"chosen: trial {cell.chosen_id}, {labels.trial(cell.chosen.config)}"
    yield from _replicates(cell.chosen)
    yield from _numbers(cell, columns, statistics)
    if cell.mixture():
        yield f"mixed: {cell.mixture()}"


def _candidates(cell: Cell, labels: BlockLabels) -> Iterator[str]:
    """A line per candidate, best first, then those that cannot be ranked."""
    by_id = {one.trial_id: one for one in cell.candidates}
    records = [record for record in map(cell.judged_by, cell.candidates) if record is not None]
    order = [by_id[record.trial_id] for record in ranked(records, cell.rule)] if cell.rule.selects else []
    rest = [one for one in cell.candidates if one not in order]
    yield f"candidates: {len(cell.candidates)}, best first"
    for place, candidate in enumerate([*order, *rest][:MOST_CANDIDATES], start=1):
        value = _rule_value(cell.judged_by(candidate), cell.rule)
        name = f"{place:>4}." if candidate in order else "   –."
        told = f"{name} {candidate.trial_id}  {value}  n={candidate.found}/{candidate.expected}"
        missing = f"  without: {shortfall(candidate.missing)}" if candidate.missing else ""
        mark = "  chosen" if candidate is cell.chosen else ""
        yield f"{told}  {labels.trial(candidate.config)}{missing}{mark}"
    if len(cell.candidates) > MOST_CANDIDATES:
        yield f"      and {len(cell.candidates) - MOST_CANDIDATES} more; provenance.json holds all"


def _rule_value(judged: ValidationRecord | None, rule: Rule) -> str:
    if judged is None:
        return f"no {rule.split} result"
    value = rule.value(judged)
    return judged.undefined or "undefined" if math.isnan(value) else f"{value:.6g}"


def _replicates(chosen: TrialRecord) -> Iterator[str]:
    """Where the numbers of each replicate of the chosen trial come from."""
    yield f"replicates: {chosen.found} of {chosen.expected}"
    for source in chosen.sources:
        file = layout.replicate_file(chosen.trial_id, source.seed, source.scores_file)
        took = "" if source.seconds is None else f", {source.seconds:.1f} s"
        yield f"   seed {source.seed}: {file} (SHA-256 {source.scores_sha256[:12]})"
        yield f"      data {source.data_sha256[:12]}, commit {source.commit}, on {source.device}{took}"
    for missing in chosen.missing:
        reason = f": {missing.reason}" if missing.reason else ""
        yield f"   seed {missing.seed}: {missing.state}{reason}"


def _numbers(cell: Cell, columns: TableColumns, statistics: SweepStatistics) -> Iterator[str]:
    """The test numbers of the table in full precision, with their intervals."""
    test = cell.test
    if test is None:
        return
    yield "test, ensemble:"
    for metric in columns.shown:
        if metric in columns.ruled:
            continue
        value = test.metrics[metric.name]
        unresolved = "  not resolved" if metric.name in test.unresolved else ""
        interval = statistics.interval(test.trial_id, metric.name)
        yield f"   {metric.name} = {value!r}{_ends(interval, bool(unresolved))}{unresolved}"
    name = columns.steering.name
    mean = statistics.means.get(test.trial_id, {}).get(name)
    yield f"mean over replicates: {name} = {test.steering_mean!r}{_ends(mean, name in test.unresolved)}"
    few = of_few(test.steering)
    if few:
        each = ", ".join(map(repr, few))
        yield f"   of each: {each}; fewer than {MIN_SEEDS} allow no interval of their mean"


def _ends(interval: Interval | None, unresolved: bool) -> str:
    if interval is None or unresolved or math.isnan(interval.low):
        return ""
    return f"  95 % interval {interval.low:.6g} to {interval.high:.6g}"
