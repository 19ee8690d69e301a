"""Cells of the table: block x row, the candidates of each, the one chosen on validation, its test scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from analysis.load import SweepRecords, read_test
from analysis.mixture import mixture
from analysis.oracle import judged_on_test
from analysis.records import (
    Missing,
    ReplicateSource,
    TestRecord,
    TrialRecord,
    ValidationRecord,
    shortfall,
)
from analysis.select import ORACLE, Rule, decided_by, rule_of, select
from search_spaces.config import Targets, Task, TrialConfig
from search_spaces.errors import InputError
from search_spaces.labels import BlockLabels
from search_spaces.rows import DEFAULT_ROWS, CellKey, cell_key, row_label, row_order, without_constraint
from search_spaces.words import count
from trainer.store import Confirms, Store


@dataclass(frozen=True)
class Cell:
    """One cell. `chosen` and `test` are None when no candidate has a result that can be ranked.

    pair          the label of its row without the constraint: cells of a pair differ in it alone
    constrained   whether it is the one of its pair with the constraint; False where that makes no row
    judged        what the rule read of candidates, by their ids; None is of validation, as they have it
    """

    data: Task
    block: str
    row: str
    pair: str
    constrained: bool
    rule: Rule
    candidates: tuple[TrialRecord, ...]
    chosen: TrialRecord | None
    decided_by: str
    test: TestRecord | None = None
    judged: Mapping[str, ValidationRecord] | None = None

    def judged_by(self, candidate: TrialRecord) -> ValidationRecord | None:
        """What the rule read of a candidate; None where it has no result."""
        return _judged([candidate], self.judged).get(candidate.trial_id)

    @property
    def chosen_id(self) -> str:
        """The chosen trial's id; "" when none is chosen."""
        return "" if self.chosen is None else self.chosen.trial_id

    @property
    def found(self) -> int:
        """Completed replicates of the chosen trial."""
        return 0 if self.chosen is None else self.chosen.found

    @property
    def expected(self) -> int:
        """Wanted replicates of the chosen trial; of the most demanding candidate when none is chosen."""
        if self.chosen is None:
            return max(candidate.expected for candidate in self.candidates)
        return self.chosen.expected

    @property
    def candidates_complete(self) -> int:
        """Number of candidates with every wanted replicate."""
        return sum(candidate.complete for candidate in self.candidates)

    @property
    def complete(self) -> bool:
        """True when the chosen trial is complete and no candidate lacks what a relaunch would train.

        Divergence and pruning of other candidates are final and leave the cell complete: the choice stands.
        """
        if self.chosen is None or not self.chosen.complete or self._damage:
            return False
        return all(candidate.final for candidate in self.candidates)

    @property
    def damaged(self) -> int:
        """Number of replicates, of all candidates, of which a file is known to be damaged."""
        damaged = int(self._damage is not None)
        for candidate in self.candidates:
            damaged += sum(missing.state == "damaged" for missing in candidate.missing)
        return damaged

    @property
    def candidates_raced(self) -> int:
        """Candidates that a race by the rule's own metric left behind, against others of this cell."""
        return sum(candidate.was_raced(self.rule.metric) for candidate in self.candidates)

    @property
    def candidates_pruned(self) -> int:
        """Number of candidates that were stopped early, but for those that were raced.

        Not always against each other: a search prunes across the losses of a block. So a cell with any is
        never set bold, for its best candidate may be among them.
        """
        return sum(candidate.pruned for candidate in self.candidates) - self.candidates_raced

    @property
    def comparable(self) -> bool:
        """True when the choice is final and was made among candidates that were not stopped early.

        A race may have left some behind: the best one among them at its stated level only.
        """
        return self.complete and not self.candidates_pruned

    def note(self) -> str:
        """Why the cell is incomplete or not to be compared, in words; empty when nothing is to be said."""
        if self.chosen is None:
            return f"no result: {'; '.join(self._reasons())}"
        of_all = len(self.candidates)
        parts = []
        if self.chosen.missing:
            parts.append(f"{self.found}/{self.expected} replicates: {shortfall(self.chosen.missing)}")
        if self._damage:
            parts.append(f"damaged: {self._damage}")
        others = [c for c in self.candidates if c is not self.chosen and not c.final]
        if others:
            told = shortfall(_missing(others))
            parts.append(f"{len(others)} of {of_all} candidates unfinished: replicates {told}")
        if self.candidates_raced:
            parts.append(f"{self.candidates_raced} of {of_all} candidates left behind in a race")
        if self.candidates_pruned:
            parts.append(f"{self.candidates_pruned} of {of_all} candidates pruned")
        return "; ".join(parts)

    @property
    def _damage(self) -> str | None:
        """What is damaged of the chosen trial beside its scores."""
        return None if self.test is None else self.test.damage

    def _reasons(self) -> list[str]:
        """Why no candidate can be ranked."""
        undefined = set()
        for candidate in self.candidates:
            if candidate.validation is not None:
                undefined.add(candidate.validation.undefined or "")
        reasons = [shortfall(_missing(self.candidates)), *sorted(undefined)]
        if not self.rule.selects and len(self.candidates) > 1:
            candidates = count(len(self.candidates), "candidate")
            reasons.append(f"{candidates} and no validation split to choose by")
        return list(filter(None, reasons))

    def mixture(self) -> str:
        """In which ways its candidates' replicates were rounded differently, in words; "" for none."""
        sources: list[ReplicateSource] = []
        for candidate in self.candidates:
            sources += candidate.sources
        return mixture(sources)


def build_cells(store: Store, records: SweepRecords, rule: str | None = None) -> tuple[Cell, ...]:
    """Every cell that the sweep's trials span, in the tables' order; test scores of the chosen trials only.

    Blocks stand in the order of data set and ratio, rows in that of `search_spaces.rows`. `rule` names a
    selection rule; None is each task's default. Raises InputError for an unknown rule and for candidates of a
    cell that want different seeds, StoreError for damaged results.
    """
    reading = records.reading
    labels = BlockLabels(trial.config.data for trial in records.trials)
    check_seeds((trial.config for trial in records.trials), reading.rows)
    ordered = sorted(records.trials, key=lambda trial: _table_order(trial.config, reading.rows))
    cells = []
    for trials in by_cell(ordered, reading.rows).values():
        chosen_by = rule_of(trials[0].config.data, rule, records.rates, reading.targets, oracle=True)
        judged = judged_on_test(store, trials, records.rates) if chosen_by.reads_test else None
        cell = _cell(trials, reading.rows, chosen_by, labels, judged)
        cells.append(cell if records.confirms is None else _as_confirmed(cell, records.confirms))
    with ThreadPoolExecutor(max_workers=4) as pool:
        return tuple(pool.map(lambda cell: _with_test(store, cell, records.rates), cells))


def lone_cell(store: Store, record: TrialRecord, rates: Targets) -> Cell:
    """The cell of a trial that competes with no other, its test scores at these rates."""
    rule = rule_of(record.config.data, None, rates)
    return _with_test(store, _cell([record], DEFAULT_ROWS, rule, BlockLabels()), rates)


def by_cell(records: Iterable[TrialRecord], rows: tuple[str, ...]) -> dict[CellKey, list[TrialRecord]]:
    """Records by the cell that they compete for, in their order."""
    cells: dict[CellKey, list[TrialRecord]] = {}
    for record in records:
        cells.setdefault(cell_key(record.config, rows), []).append(record)
    return cells


def best(
    records: Iterable[TrialRecord], rule: Rule, judged: Mapping[str, ValidationRecord] | None = None
) -> TrialRecord | None:
    """The record that a rule prefers; None where none has a result to rank. `judged` as a cell has it."""
    by_id = {record.trial_id: record for record in records}
    if not rule.selects:
        return _lone(list(by_id.values()))
    choice = select(list(_judged(by_id.values(), judged).values()), rule)
    if choice is None:
        return None
    return by_id[choice.trial_id]


def _lone(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The record that competes with no other, if it has a result: what is shown where nothing is selected."""
    if len(records) != 1 or not records[0].done:
        return None
    return records[0]


def check_seeds(configs: Iterable[TrialConfig], rows: tuple[str, ...]) -> None:
    """Raises InputError when trials of one cell want different seeds.

    Averaging over more replicates raises the AUROC by itself, so selection would prefer the larger ensemble.
    """
    configs = list(configs)
    labels = BlockLabels(config.data for config in configs)
    first: dict[CellKey, TrialConfig] = {}
    for config in configs:
        known = first.setdefault(cell_key(config, rows), config)
        if set(known.seeds) != set(config.seeds):
            where = f"{labels.block(config.data)}, row {row_label(config, rows)}"
            raise InputError(
                f"{where}: expected candidates that want the same seeds, given {sorted(known.seeds)} for "
                f"{known.trial_id} and {sorted(config.seeds)} for {config.trial_id}; --replicates N gives "
                "all of them the seeds 1 to N"
            )


def _cell(
    trials: Sequence[TrialRecord],
    rows: tuple[str, ...],
    rule: Rule,
    labels: BlockLabels,
    judged: Mapping[str, ValidationRecord] | None = None,
) -> Cell:
    config, apart = trials[0].config, without_constraint(rows)
    by_whom = f" ({ORACLE})" if rule.reads_test else ""  # said wherever the row is named
    return Cell(
        data=config.data,
        block=labels.block(config.data),
        row=row_label(config, rows) + by_whom,
        pair=row_label(config, apart) + by_whom,
        constrained=config.constraint is not None and apart != rows,
        rule=rule,
        candidates=tuple(trials),
        chosen=best(trials, rule, judged),
        decided_by=_decided_by(trials, rule, judged),
        judged=judged,
    )


def _as_confirmed(cell: Cell, confirms: Confirms) -> Cell:
    """The cell with the trial that the confirmed sweep chose, whatever the rule says of the fresh seeds."""
    winners = {choice.winner for choice in confirms.cells}
    chosen = None
    for candidate in cell.candidates:
        if candidate.trial_id in winners and candidate.done:
            chosen = candidate
    return replace(
        cell,
        rule=replace(cell.rule, confirms=confirms.sweep),
        chosen=chosen,
        decided_by=f"chosen in the sweep {confirms.sweep}",
    )


def _decided_by(
    trials: Sequence[TrialRecord], rule: Rule, judged: Mapping[str, ValidationRecord] | None
) -> str:
    if not rule.selects:
        return "nothing is selected"
    return decided_by(list(_judged(trials, judged).values()), rule)


def _with_test(store: Store, cell: Cell, rates: Targets) -> Cell:
    if cell.chosen is None:
        return cell
    return replace(cell, test=read_test(store, cell.chosen, rates))


def _judged(
    records: Iterable[TrialRecord], judged: Mapping[str, ValidationRecord] | None
) -> dict[str, ValidationRecord]:
    """What a rule reads of these, by their ids, without those that have no result."""
    found = {}
    for record in records:
        one = record.validation if judged is None else judged.get(record.trial_id)
        if one is not None:
            found[record.trial_id] = one
    return found


def _missing(candidates: Iterable[TrialRecord]) -> list[Missing]:
    missing: list[Missing] = []
    for candidate in candidates:
        missing += candidate.missing
    return missing


def _table_order(config: TrialConfig, rows: tuple[str, ...]) -> tuple[object, ...]:
    data = config.data
    source = json.dumps(data.source.model_dump(mode="json"), sort_keys=True)
    block = (data.source.name, source, data.ratio or 0.0, cell_key(config, rows).block)
    return (*block, row_order(config, rows), config.trial_id)
