"""From stored results to records: what the replicates of trials score.

`load_sweep` reads every trial of a sweep and computes validation metrics only. Test scores are checked for
their example ids and let go; `read_test` reads them again for the trials that were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.adjusted import Adjusted, adjusted_decisions, is_adjustable
from analysis.alignment import SplitAligner
from analysis.found import Found, find_results, name_of, origin_of, told_markers
from analysis.records import (
    Scored,
    TestRecord,
    TrialRecord,
    ValidationRecord,
    ensemble_outputs,
)
from analysis.replicates import missing_replicates, told_damage, trial_standing
from analysis.tuned import Tuned, tuned_decisions
from search_spaces.config import Targets, TrialConfig
from search_spaces.errors import DamagedError, MixedDataError, StoreError
from search_spaces.labels import block_key
from search_spaces.reading import Reading
from trainer.store import Confirms, Damage, Done, Store, SweepManifest, wanted_seeds
from trainer.tasks.base import task_arrays

_MOST_NAMES = 5
# In a replicate's epoch records (`trainer.replicate.EpochRecord`).
_CRITICAL_BATCHES = "train/critical_batches"


@dataclass(frozen=True)
class SweepRecords:
    """What a sweep left: a record per trial of its manifest, sorted by trial id.

    reading   how the sweep says that its results are read
    rates     those at which the records' metrics are known: the sweep's own, and what else was asked for
    confirms  whose choices the sweep confirms; None of every other one
    """

    name: str
    trials: tuple[TrialRecord, ...]
    reading: Reading
    rates: Targets
    confirms: Confirms | None = None


class _Block:
    """The two splits of one block, shared by all its trials."""

    def __init__(self) -> None:
        self.validation = SplitAligner("val")
        self.test = SplitAligner("test")


def load_sweep(
    store: Store, manifest: SweepManifest, more: Targets | None = None, *, workers: int = 16
) -> SweepRecords:
    """Read a sweep's stored results, `workers` trials at a time.

    `more` are rates at which metrics are wanted besides the sweep's own. Only replicates that completed and
    that the manifest wants count as found; one of which a file is damaged is missing, and says so. Raises
    MixedDataError when replicates of a block are of different data, StoreError when they differ in example
    ids or targets.
    """
    trials = sorted(manifest.trials, key=lambda config: config.trial_id)
    wanted = wanted_seeds(trials)
    if len(wanted) != len(trials):
        repeated = len(trials) - len(wanted)
        raise StoreError(f"sweep {manifest.name}: expected each trial once, found {repeated} repeated")
    damage: Damage = {}
    done = store.all_replicates(wanted, damage)
    blocks = {block_key(config.data): _Block() for config in trials}
    rates = manifest.reading.targets
    if more is not None:
        rates = rates.joined(more)

    def find(config: TrialConfig) -> Found:
        return find_results(store, config, done.get(config.trial_id, {}), told_markers(store, damage, config))

    def load(found: Found) -> TrialRecord:
        return _load_trial(store, found, blocks[block_key(found.config.data)], rates)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        found = tuple(pool.map(find, trials))
        _check_data_hashes(found)
        records = tuple(pool.map(load, found))
    return SweepRecords(manifest.name, records, manifest.reading, rates, manifest.confirms)


def load_trial(
    store: Store, config: TrialConfig, rates: Targets, done: Mapping[int, Done] | None = None
) -> TrialRecord:
    """Read one trial's stored results, given its DONE markers by seed where the caller has them.

    `rates` are those at which its metrics are wanted. Raises StoreError as `load_sweep` does.
    """
    damage: Damage = {}
    if done is None:
        done = store.all_replicates(wanted_seeds([config]), damage).get(config.trial_id, {})
    found = find_results(store, config, done, told_markers(store, damage, config))
    _check_data_hashes([found])
    return _load_trial(store, found, _Block(), rates)


def read_test(store: Store, trial: TrialRecord, rates: Targets) -> TestRecord | None:
    """Test outputs and metrics of a trial at these rates, or None when no replicate was found.

    Raises StoreError when its replicates differ in their test examples, or when a file is damaged.
    """
    if not trial.done:
        return None
    aligner, tables = SplitAligner("test"), []
    name = name_of(trial.config)
    rows = []
    for done in trial.done:
        tables.append(store.replicates.read_scores(done))
        rows.append(aligner.align(tables[-1], origin_of(name, done)))
    outputs = np.stack(rows)
    summary = _summary(trial.config, rates, aligner.targets(), outputs, trial.counts)
    test = aligner.targets(), ensemble_outputs(outputs)
    epochs, damage = _epochs(store, trial)
    return TestRecord(
        config=trial.config,
        rates=rates,
        seeds=tuple(done.seed for done in trial.done),
        targets=aligner.targets(),
        outputs=outputs,
        metrics=summary.ensemble,
        replicates=summary.replicates,
        undefined=summary.undefined,
        batches=_critical_batches(epochs),
        damage=damage,
        adjusted=_adjusted(trial, tables, test),
        tuned=_tuned(trial, tables, test),
        groups=aligner.groups(),
        epochs=epochs,
    )


def _epochs(store: Store, trial: TrialRecord) -> tuple[dict[int, pa.Table], str | None]:
    """A constrained trial's epoch records by seed; and why some cannot be read, None where all can.

    Of a trial without the constraint, and of one with damage, there are none.
    """
    if trial.config.constraint is None:
        return {}, None
    found = {}
    for done in trial.done:
        try:
            found[done.seed] = store.replicates.read_epochs(done)
        except DamagedError as error:
            return {}, told_damage(store, error)
    return found, None


def _critical_batches(epochs: Mapping[int, pa.Table]) -> float | None:
    """The share of batches that hold a critical example; None where none is told."""
    shares: list[float] = []
    for records in epochs.values():
        if _CRITICAL_BATCHES in records.column_names:
            shares += records[_CRITICAL_BATCHES].drop_null().to_pylist()
    return math.fsum(shares) / len(shares) if shares else None


def _adjusted(
    trial: TrialRecord, tables: Sequence[pa.Table], test: tuple[NDArray[Any], NDArray[np.float64]]
) -> Adjusted | None:
    """The ensemble's adjusted decisions on test; None where they make no sense."""
    if not is_adjustable(trial.config):
        return None
    targets, outputs = _validation_outputs(trial, tables)
    validation = targets, ensemble_outputs(outputs)
    return adjusted_decisions(trial.config, trial.counts, validation, test)


def _tuned(
    trial: TrialRecord, tables: Sequence[pa.Table], test: tuple[NDArray[Any], NDArray[np.float64]]
) -> Tuned | None:
    """The ensemble's decisions at chosen thresholds on test; None where they make no sense."""
    if not trial.config.data.has_label_sets:
        return None
    return tuned_decisions(trial.config, _validation_outputs(trial, tables), test)


def _validation_outputs(
    trial: TrialRecord, tables: Sequence[pa.Table]
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Targets, and outputs of each replicate, of the validation split; out of its tables of scores."""
    aligner, name, rows = SplitAligner("val"), name_of(trial.config), []
    for done, table in zip(trial.done, tables, strict=True):
        rows.append(aligner.align(table, origin_of(name, done)))
    return aligner.targets(), np.stack(rows)


class _Summary(NamedTuple):
    """Metrics of the ensemble, those of each replicate [replicates], why any of them is NaN."""

    ensemble: dict[str, float]
    replicates: dict[str, NDArray[np.float64]]
    undefined: str | None


def _summary(
    config: TrialConfig,
    rates: Targets,
    targets: NDArray[Any],
    outputs: NDArray[np.float32],
    counts: tuple[int, ...] | None,
) -> _Summary:
    arrays = task_arrays(config.data, rates)
    rows = np.concatenate([ensemble_outputs(outputs)[None], outputs])
    at_zero = config.loss.decides_at_zero
    values = arrays.summarize_rows(targets, rows, decides_at_zero=at_zero, counts=counts)
    ensemble = {name: float(column[0]) for name, column in values.items()}
    replicates = {name: column[1:] for name, column in values.items()}
    return _Summary(ensemble, replicates, arrays.undefined_reason(targets, rows))


def _load_trial(store: Store, found: Found, block: _Block, rates: Targets) -> TrialRecord:
    config, rows = found.config, []
    for seed in list(found.sources):
        origin = origin_of(found.name, found.done[seed])
        try:
            table = store.replicates.read_scores(found.done[seed])
        except DamagedError as error:
            found.leave_out(store, seed, error)
            continue
        if config.data.validates:
            rows.append(block.validation.align(table, origin))
        block.test.align(table, origin)
    validation = None
    if rows:
        counts = next(iter(found.sources.values())).counts
        validation = _validation(config, rates, block.validation, rows, counts)
    standing, failure = trial_standing(store, config, found.done, found.damage)
    return TrialRecord(
        config=config,
        trial_id=config.trial_id,
        standing=standing,
        done=tuple(found.done[seed] for seed in found.sources),
        sources=tuple(found.sources.values()),
        missing=missing_replicates(store, standing, found.done, failure, found.damage),
        validation=validation,
    )


def _validation(
    config: TrialConfig,
    rates: Targets,
    aligner: SplitAligner,
    outputs: Sequence[NDArray[np.float32]],
    counts: tuple[int, ...] | None,
) -> ValidationRecord:
    rows = np.stack(outputs)
    summary = _summary(config, rates, aligner.targets(), rows, counts)
    return ValidationRecord(
        trial_id=config.trial_id,
        found=len(outputs),
        expected=len(config.seeds),
        metrics=summary.ensemble,
        mean_steering=float(summary.replicates[config.data.steers].mean()),
        undefined=summary.undefined,
        examples=Scored(aligner.targets(), ensemble_outputs(rows), aligner.groups()),
    )


def _check_data_hashes(trials: Sequence[Found]) -> None:
    """Raises MixedDataError when replicates of one block were trained on different data."""
    blocks: dict[str, dict[str, set[str]]] = {}
    for trial in trials:
        hashes = blocks.setdefault(block_key(trial.config.data), {})
        for source in trial.sources.values():
            hashes.setdefault(source.data_sha256, set()).add(trial.name)
    for hashes in blocks.values():
        if len(hashes) > 1:
            told = []
            for sha256, names in sorted(hashes.items()):
                told.append(f"data {sha256[:12]}: trials {_few(sorted(names))}")
            raise MixedDataError(
                f"results on different data in one block, which no table may mix: {'; '.join(told)}"
            )


def _few(names: Sequence[str]) -> str:
    told = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        told += f" and {len(names) - _MOST_NAMES} more"
    return told
