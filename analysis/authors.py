"""A sweep's selection beside the configurations that the paper's authors publish, cell by cell.

The authors name one loss, constraint and delta for each row of their four tables (CIFAR-10 and CIFAR-100,
each at 1:100 and 1:200): 68 in all. A cell of a sweep has one of them where its data are those of the preset
at that ratio, and every candidate has the row's loss and is with, or without, the constraint as the row is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from analysis.cells import Cell
from analysis.load import SweepRecords, read_test
from analysis.records import TestRecord, TrialRecord
from analysis.select import ORACLE, ranked
from analysis.statistics.comparison import Comparison, compare
from analysis.statistics.draws import DRAWS
from analysis.statistics.resampled import resample
from search_spaces.config import ConstraintConfig, LossConfig, Metric, TrialConfig
from search_spaces.errors import InputError
from search_spaces.labels import block_key
from search_spaces.paper.named import LOSSES, constraint_by_name, constraint_name, loss_name
from search_spaces.paper.published import SELECTED
from search_spaces.presets import TASKS
from trainer.store import Store

# What a configuration of the authors says; all else is the preset's.
FIELDS = ("loss", "constraint", "delta")


@dataclass(frozen=True)
class AuthorsChoice:
    """What the authors chose for a row of their tables; `constraint` is None in a row without one."""

    loss: LossConfig
    constraint: ConstraintConfig | None

    def differs(self, config: TrialConfig) -> tuple[str, ...]:
        """In which of `FIELDS` a trial differs from it."""
        found = []
        if config.loss != self.loss:
            found.append("loss")
        if constraint_name(config.constraint) != constraint_name(self.constraint):
            found.append("constraint")
        if _margin(config.constraint) != _margin(self.constraint):
            found.append("delta")
        return tuple(found)

    @property
    def words(self) -> tuple[str, str, float | None]:
        """The paper's names of loss and constraint, and delta."""
        return loss_name(self.loss), constraint_name(self.constraint), _margin(self.constraint)


@dataclass(frozen=True)
class BesideAuthors:
    """A cell and the authors' choice for its row.

    candidates    those of the cell that are the authors' choice, best first; of several, all else differs
    rank          the place of the first of them among the cell's candidates, 1 = best; None where it has none
    ranked        how many candidates of the cell have one
    test          that candidate's test results; None where it has none
    comparisons   the chosen trial minus that candidate in every headline metric; none where both are one
    """

    cell: Cell
    choice: AuthorsChoice
    candidates: tuple[TrialRecord, ...]
    rank: int | None
    ranked: int
    test: TestRecord | None = None
    comparisons: tuple[Comparison, ...] = ()

    @property
    def published(self) -> TrialRecord | None:
        """The candidate that is the authors' choice; None where the cell has none."""
        return self.candidates[0] if self.candidates else None

    @property
    def differs(self) -> tuple[str, ...]:
        """In which fields the chosen trial differs from the authors' choice; nothing where none is chosen."""
        return () if self.cell.chosen is None else self.choice.differs(self.cell.chosen.config)

    @property
    def is_same(self) -> bool:
        """Whether the sweep chose what the authors chose."""
        return self.cell.chosen is not None and not self.differs


@cache
def authors_choices() -> dict[tuple[str, str, bool], AuthorsChoice]:
    """All 68, by block (`search_spaces.labels.block_key`), the row's loss, and whether with constraint.

    The same for every caller, not to be changed.
    """
    found = {}
    for (dataset, ratio), rows in SELECTED.items():
        block = block_key(TASKS[dataset].with_ratio(float(ratio)))
        for row in rows:
            loss = LOSSES[row.loss]
            found[block, loss.family, False] = AuthorsChoice(loss, None)
            if row.constraint is not None:
                constraint = constraint_by_name(row.constraint, row.delta)
                found[block, loss.family, True] = AuthorsChoice(loss, constraint)
    return found


def beside_authors(
    store: Store,
    sweep: str,
    cells: Sequence[Cell],
    metrics: Mapping[str, Sequence[Metric]],
    records: SweepRecords,
    draws: int = DRAWS,
) -> tuple[BesideAuthors, ...]:
    """Each cell that the authors publish a configuration for, in the order of the cells.

    metrics   the headline metrics of a table, by the block's label
    draws     of the bootstrap of differences; 0 for no intervals but DeLong's

    Raises InputError where there is no such cell, and for the oracle, which selects nothing; StoreError as
    `read_test` does.
    """
    if any(cell.rule.reads_test for cell in cells):
        raise InputError(
            f"--compare-published: expected a rule that selects on validation, given --rule {ORACLE}"
        )
    placed = []
    for cell in cells:
        choice = _choice_of(cell)
        if choice is not None:
            placed.append(_placed(cell, choice))
    if not placed:
        raise InputError(
            f"--compare-published: expected a sweep with rows of the paper's tables (cifar10 or cifar100 at "
            f"1:100 or 1:200, data as in the preset), found none in {sweep}"
        )
    found, tests = [], []
    for one in placed:
        test = None
        if one.published is not None and one.published.done:
            is_chosen = one.published is one.cell.chosen
            test = one.cell.test if is_chosen else read_test(store, one.published, records.rates)
        found.append((one, test))
        if test is not None and one.cell.test is not None and test is not one.cell.test:
            tests += [test, one.cell.test]
    resampled = resample(tests, draws)
    beside = []
    for one, test in found:
        compared: tuple[Comparison, ...] = ()
        if test is not None and one.cell.test is not None and test is not one.cell.test:
            compared = compare(test, one.cell.test, metrics[one.cell.block], resampled)
        beside.append(
            BesideAuthors(one.cell, one.choice, one.candidates, one.rank, one.ranked, test, compared)
        )
    return tuple(beside)


def _choice_of(cell: Cell) -> AuthorsChoice | None:
    """What the authors chose for a cell's row; None of a cell that is no row of theirs."""
    rows = set()
    for candidate in cell.candidates:
        config = candidate.config
        rows.add((block_key(config.data), config.loss.family, config.constraint is not None))
    return authors_choices().get(rows.pop()) if len(rows) == 1 else None


def _placed(cell: Cell, choice: AuthorsChoice) -> BesideAuthors:
    """The cell's candidates that are the authors' choice, and where the best one stands on validation."""
    records = [record for record in map(cell.judged_by, cell.candidates) if record is not None]
    order = []
    if cell.rule.selects:
        order = [record.trial_id for record in ranked(records, cell.rule)]
    places = {trial_id: place for place, trial_id in enumerate(order, start=1)}
    same = [candidate for candidate in cell.candidates if not choice.differs(candidate.config)]
    same.sort(key=lambda candidate: places.get(candidate.trial_id, len(places) + 1))
    rank = places.get(same[0].trial_id) if same else None
    return BesideAuthors(cell, choice, tuple(same), rank, len(order))


def _margin(constraint: ConstraintConfig | None) -> float | None:
    return None if constraint is None else constraint.margin
