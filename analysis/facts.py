"""What a sweep's tables say of themselves: how was chosen, what intervals draw, which commits trained."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.cells import Cell
from analysis.provenance import commits, drawn_words
from analysis.statistics.sweep import SweepStatistics
from search_spaces.rows import DEFAULT_ROWS
from search_spaces.words import count
from trainer.store import SweepManifest


def table_facts(
    cells: Sequence[Cell], manifest: SweepManifest, statistics: SweepStatistics
) -> tuple[str, ...]:
    """What holds for all tables of a sweep, a line each.

    How was chosen, what the constraint does over all pairs, what intervals draw, which commits trained.
    """
    rules = {cell.rule.name: cell.rule for cell in cells}
    facts = [f"Selection: {rule.description} ({name})." for name, rule in rules.items()]
    rows = manifest.reading.rows
    if rows != DEFAULT_ROWS:
        facts.append(f"Rows: {', '.join(rows)}.")
    facts += _pruning_facts(cells)
    facts += [one.words() for one in statistics.effects if not one.metric.is_of_one_class]
    facts.append(_drawn_fact(cells, statistics))
    facts.append(f"Commits: {', '.join(commits(cells)) or 'none'}.")
    return tuple(facts)


def _drawn_fact(cells: Sequence[Cell], statistics: SweepStatistics) -> str:
    """What the intervals are made of."""
    if not statistics.draws:
        return "Intervals: none were made."
    return f"Intervals: 95 %, {statistics.draws:,} draws of {drawn_words(cells)}."


def _pruning_facts(cells: Sequence[Cell]) -> list[str]:
    """A line for each metric, other than a rule's, by which its candidates were stopped early."""
    stopped: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        for candidate in cell.candidates:
            if candidate.was_raced(cell.rule.metric):
                continue
            for missing in candidate.missing:
                if missing.pruned_by not in (None, cell.rule.objective):
                    is_raced = missing.raced_after is not None
                    how = "left behind in a race by" if is_raced else "stopped early by the ensemble's"
                    by = (f"{how} {missing.pruned_by}", cell.rule.name)
                    stopped.setdefault(by, set()).add(candidate.trial_id)
    facts = []
    for (how, rule), trials in sorted(stopped.items()):
        facts.append(
            f"{count(len(trials), 'trial')} {how}, not by what {rule} selects: one that the rule would "
            "choose may be among them."
        )
    return facts
