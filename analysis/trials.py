"""One trial's stored results as a record: what there is of it, and what it scores on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.alignment import ExamplesError, SplitAligner
from analysis.found import Called, Found, find_results, told_markers
from analysis.outputs import sound_outputs
from analysis.records import Scored, TrialRecord, ValidationRecord, ensemble_outputs
from analysis.replicates import missing_replicates, trial_standing
from search_spaces.config import Targets, TrialConfig
from search_spaces.labels import block_key
from trainer.store import Damage, Done, Store
from trainer.store.index import IndexEntry
from trainer.store.joined_object import JoinedObject
from trainer.tasks.base import task_arrays


class BlockExamples:
    """The two splits of one block, shared by all its trials."""

    def __init__(self) -> None:
        self.validation = SplitAligner("val")
        self.test = SplitAligner("test")


@dataclass(frozen=True)
class LoadedTrial:
    """What was read of a trial.

    name          what errors call it
    data_hashes   what data its completed replicates were trained on
    read          its record, or why its examples are not the block's
    """

    config: TrialConfig
    name: Called
    data_hashes: frozenset[str]
    read: TrialRecord | ExamplesError

    @property
    def record(self) -> TrialRecord:
        """The trial's record. Raises StoreError where its examples are not the block's."""
        if isinstance(self.read, ExamplesError):
            raise self.read
        return self.read


class TrialReader:
    """Reads trials of a sweep, from several threads. `rates` are those at which metrics are wanted."""

    def __init__(self, store: Store, rates: Targets, configs: Sequence[TrialConfig]) -> None:
        self._store = store
        self._rates = rates
        self._keys = {config.trial_id: block_key(config.data) for config in configs}
        self._blocks = {key: BlockExamples() for key in self._keys.values()}

    def read(self, config: TrialConfig, done: Mapping[int, Done], damage: Damage) -> LoadedTrial:
        """A trial, given its DONE markers by seed, and what is wrong with markers of all trials.

        Raises StoreError for a result that does not tell its data.
        """
        found = find_results(self._store, config, done, told_markers(self._store, damage, config))
        return self._loaded(found, None)

    def read_joined(self, config: TrialConfig, entry: IndexEntry, opened: JoinedObject) -> LoadedTrial | None:
        """A trial by its joined object alone; None where that does not tell what its index entry tells.

        Raises StoreError for a result that does not tell its data.
        """
        done = self._store.joined.markers(entry, opened)
        if done is None:
            return None
        return self._loaded(find_results(self._store, config, done, {}), opened)

    def _loaded(self, found: Found, opened: JoinedObject | None) -> LoadedTrial:
        hashes = frozenset(source.data_sha256 for source in found.sources.values())
        read: TrialRecord | ExamplesError
        try:
            read = self._record(found, opened)
        except ExamplesError as error:
            read = error
        return LoadedTrial(found.config, found.name, hashes, read)

    def _record(self, found: Found, opened: JoinedObject | None) -> TrialRecord:
        config, validation = found.config, None
        block = self._blocks[self._keys[found.trial_id]]
        stored = sound_outputs(self._store, found, opened)
        if stored is not None:
            stored.check(block.test)
            if config.data.validates:
                counts = next(iter(found.sources.values())).counts
                outputs = stored.aligned(block.validation)
                validation = _validation(found, self._rates, block.validation, outputs, counts)
        standing, failure = trial_standing(
            self._store, found.trial_id, config.seeds, found.done, found.damage
        )
        return TrialRecord(
            config=config,
            trial_id=found.trial_id,
            standing=standing,
            done=tuple(found.done[seed] for seed in found.sources),
            sources=tuple(found.sources.values()),
            missing=missing_replicates(self._store, standing, found.done, failure, found.damage),
            validation=validation,
        )


class OutputsSummary(NamedTuple):
    """Metrics of the ensemble, those of each replicate [replicates], why any of them is NaN."""

    ensemble: dict[str, float]
    replicates: dict[str, NDArray[np.float64]]
    undefined: str | None


def summarized(
    config: TrialConfig,
    rates: Targets,
    targets: NDArray[Any],
    outputs: NDArray[np.float32],
    counts: tuple[int, ...] | None,
) -> OutputsSummary:
    """The metrics at these rates of a trial's outputs of a split, [replicates, examples (, classes)].

    `counts` are its training examples per class; None where nothing tells them.
    """
    arrays = task_arrays(config.data, rates)
    rows = np.concatenate([ensemble_outputs(outputs)[None], outputs])
    at_zero = config.loss.decides_at_zero
    values = arrays.summarize_rows(targets, rows, decides_at_zero=at_zero, counts=counts)
    ensemble = {name: float(column[0]) for name, column in values.items()}
    replicates = {name: column[1:] for name, column in values.items()}
    return OutputsSummary(ensemble, replicates, arrays.undefined_reason(targets, rows))


def _validation(
    found: Found,
    rates: Targets,
    aligner: SplitAligner,
    rows: NDArray[np.float32],
    counts: tuple[int, ...] | None,
) -> ValidationRecord:
    config = found.config
    summary = summarized(config, rates, aligner.targets(), rows, counts)
    return ValidationRecord(
        trial_id=found.trial_id,
        found=len(rows),
        expected=len(config.seeds),
        metrics=summary.ensemble,
        mean_steering=float(summary.replicates[config.data.steers].mean()),
        undefined=summary.undefined,
        examples=Scored(aligner.targets(), ensemble_outputs(rows), aligner.groups()),
    )
