"""Cells of the table: block x row, the candidates of each, the one chosen on validation, its test scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from analysis.load import SweepRecords, read_test
from analysis.mixture import mixture
from analysis.records import TestRecord, TrialRecord, shortfall
from analysis.select import DEFAULT_RULE, decided_by, rule_by_name, select
from search_spaces.config import FAMILIES, DataConfig, TrialConfig
from search_spaces.errors import InputError
from search_spaces.labels import block_key, block_label, flat, row_label
from trainer.store import Store


@dataclass(frozen=True)
class Cell:
    """One cell. `chosen` and `test` are None when no candidate has a result that can be ranked."""

    data: DataConfig
    block: str
    row: str
    family: str
    constrained: bool
    candidates: tuple[TrialRecord, ...]
    chosen: TrialRecord | None
    decided_by: str
    test: TestRecord | None = None

    @property
    def found(self) -> int:
        """Completed replicates of the chosen trial."""
        return 0 if self.chosen is None else self.chosen.found

    @property
    def expected(self) -> int:
        """Wanted replicates of the chosen trial; of the most demanding candidate when none is chosen."""
        return max(c.expected for c in self.candidates) if self.chosen is None else self.chosen.expected

    @property
    def candidates_complete(self) -> int:
        """Number of candidates with every wanted replicate."""
        return sum(c.complete for c in self.candidates)

    @property
    def complete(self) -> bool:
        """True when the chosen trial is complete and no candidate has a failed or pending replicate.

        Divergence and pruning of other candidates are final and leave the cell complete: the choice stands.
        """
        return self.chosen is not None and self.chosen.complete and all(c.final for c in self.candidates)

    @property
    def candidates_pruned(self) -> int:
        """Number of candidates that were stopped early.

        Not always against each other: a search prunes across the losses of a block. So a cell with any is
        never set bold, for its best candidate may be among them.
        """
        return sum(c.pruned for c in self.candidates)

    @property
    def comparable(self) -> bool:
        """True when the choice is final and was made among candidates that were not stopped early."""
        return self.complete and not self.candidates_pruned

    def note(self) -> str:
        """Why the cell is incomplete or not to be compared, in words; empty when nothing is to be said."""
        if self.chosen is None:
            everything = tuple(m for c in self.candidates for m in c.missing)
            undefined = {c.validation.undefined or "" for c in self.candidates if c.validation is not None}
            reasons = [shortfall(everything), *sorted(undefined)]
            return f"no result: {'; '.join(r for r in reasons if r)}"
        parts = []
        if self.chosen.missing:
            parts.append(f"{self.found}/{self.expected} replicates: {shortfall(self.chosen.missing)}")
        others = tuple(c for c in self.candidates if c is not self.chosen and not c.final)
        if others:
            told = shortfall(tuple(m for c in others for m in c.missing))
            parts.append(f"{len(others)} of {len(self.candidates)} candidates unfinished: replicates {told}")
        if self.candidates_pruned:
            parts.append(f"{self.candidates_pruned} of {len(self.candidates)} candidates pruned")
        return "; ".join(parts)

    def mixture(self) -> str:
        """In which ways its candidates' replicates were rounded differently, in words; "" for none."""
        return mixture(source for candidate in self.candidates for source in candidate.sources)


def build_cells(store: Store, records: SweepRecords, rule: str = DEFAULT_RULE) -> tuple[Cell, ...]:
    """Every cell that the sweep's trials span, in the tables' order; test scores of the chosen trials only.

    Blocks stand in the order of data set and ratio; rows in the paper's: all losses without the constraint,
    then all with it. Raises InputError for an unknown rule and for candidates of a cell that want different
    seeds, StoreError for damaged results.
    """
    rule_by_name(rule)
    check_seeds([t.config for t in records.trials])
    groups: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in sorted(records.trials, key=_table_order):
        groups.setdefault((block_key(trial.config.data), row_label(trial.config)), []).append(trial)
    cells = [_cell(row, trials, rule) for (_, row), trials in groups.items()]
    with ThreadPoolExecutor(max_workers=4) as pool:
        return tuple(pool.map(lambda c: _with_test(store, c), cells))


def check_seeds(configs: Iterable[TrialConfig]) -> None:
    """Raises InputError when trials of one cell want different seeds.

    Averaging over more replicates raises the AUROC by itself, so selection would prefer the larger ensemble.
    """
    first: dict[tuple[str, str], TrialConfig] = {}
    for config in configs:
        known = first.setdefault((block_key(config.data), row_label(config)), config)
        if set(known.seeds) != set(config.seeds):
            raise InputError(
                f"{block_label(config.data)}, row {row_label(config)}: expected candidates that want the "
                f"same seeds, given {sorted(known.seeds)} for {known.trial_id} and {sorted(config.seeds)} "
                f"for {config.trial_id}; --replicates N gives all of them the seeds 1 to N"
            )


def _cell(row: str, trials: Sequence[TrialRecord], rule: str) -> Cell:
    candidates = [t.validation for t in trials if t.validation is not None]
    choice = select(candidates, rule)
    config = trials[0].config
    return Cell(
        data=config.data,
        block=block_label(config.data),
        row=row,
        family=config.loss.family,
        constrained=config.constraint is not None,
        candidates=tuple(trials),
        chosen=None if choice is None else next(t for t in trials if t.trial_id == choice.trial_id),
        decided_by=decided_by(candidates, rule),
    )


def _with_test(store: Store, cell: Cell) -> Cell:
    return cell if cell.chosen is None else replace(cell, test=read_test(store, cell.chosen))


def _table_order(trial: TrialRecord) -> tuple[str, str, float, str, bool, int, str]:
    config = trial.config
    data = config.data
    source = json.dumps(data.source.model_dump(mode="json"), sort_keys=True)
    return (
        data.source.name,
        source,
        data.ratio or 0.0,
        block_key(data),
        config.constraint is not None,
        FAMILIES.index(config.loss.family),
        config.trial_id,
    )


def varying_settings(configs: Sequence[TrialConfig]) -> tuple[str, ...]:
    """Dotted names of the fields that differ between configurations and that no other column shows.

    Data, loss and constraint have columns of their own; seeds are no part of a trial's identity.
    """
    values: dict[str, set[str]] = {}
    for config in configs:
        for name, value in _settings(config).items():
            values.setdefault(name, set()).add(value)
    return tuple(sorted(name for name, seen in values.items() if len(seen) > 1))


def settings_text(config: TrialConfig, names: Sequence[str]) -> str:
    """The named settings of a configuration: "model.width=16, optimizer.learning_rate=0.01"."""
    settings = _settings(config)
    return ", ".join(f"{name}={settings[name]}" for name in names if name in settings)


def _settings(config: TrialConfig) -> dict[str, str]:
    fields = config.model_dump(mode="json", exclude={"data", "loss", "constraint", "seeds"})
    return {name: str(value) for name, value in flat(fields).items()}
