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
from analysis.records import (
    Missing,
    ReplicateSource,
    Scored,
    TestRecord,
    TrialRecord,
    ValidationRecord,
    ensemble_outputs,
)
from analysis.replicates import missing_replicates, replicate_source, trial_standing
from search_spaces.config import Targets, TrialConfig
from search_spaces.errors import MixedDataError, StoreError
from search_spaces.labels import block_key, trial_label
from search_spaces.reading import Reading
from trainer.store import Done, Standing, Store, SweepManifest, wanted_seeds
from trainer.tasks.base import task_arrays

_MOST_NAMES = 5
# In a replicate's epoch records (`trainer.replicate.EpochRecord`).
_CRITICAL_BATCHES = "train/critical_batches"


@dataclass(frozen=True)
class SweepRecords:
    """What a sweep left: a record per trial of its manifest, sorted by trial id.

    reading   how the sweep says that its results are read
    rates     those at which the records' metrics are known: the sweep's own, and what else was asked for
    """

    name: str
    trials: tuple[TrialRecord, ...]
    reading: Reading
    rates: Targets


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
    that the manifest wants count as found. Raises MixedDataError when replicates of a block are of different
    data, StoreError when they differ in example ids or targets, or a file is damaged.
    """
    trials = sorted(manifest.trials, key=lambda config: config.trial_id)
    wanted = wanted_seeds(trials)
    if len(wanted) != len(trials):
        repeated = len(trials) - len(wanted)
        raise StoreError(f"sweep {manifest.name}: expected each trial once, found {repeated} repeated")
    done = store.all_replicates(wanted)
    blocks = {block_key(config.data): _Block() for config in trials}
    rates = manifest.reading.targets
    if more is not None:
        rates = rates.joined(more)

    def find(config: TrialConfig) -> _Found:
        return _find(store, config, done.get(config.trial_id, {}))

    def load(found: _Found) -> TrialRecord:
        return _load_trial(store, found, blocks[block_key(found.config.data)], rates)

    with ThreadPoolExecutor(max_workers=workers) as pool:
        found = tuple(pool.map(find, trials))
        _check_data_hashes(found)
        records = tuple(pool.map(load, found))
    return SweepRecords(manifest.name, records, manifest.reading, rates)


def load_trial(
    store: Store, config: TrialConfig, rates: Targets, done: Mapping[int, Done] | None = None
) -> TrialRecord:
    """Read one trial's stored results, given its DONE markers by seed where the caller has them.

    `rates` are those at which its metrics are wanted. Raises StoreError as `load_sweep` does.
    """
    if done is None:
        done = store.all_replicates(wanted_seeds([config])).get(config.trial_id, {})
    found = _find(store, config, done)
    _check_data_hashes([found])
    return _load_trial(store, found, _Block(), rates)


def read_test(store: Store, trial: TrialRecord, rates: Targets) -> TestRecord | None:
    """Test outputs and metrics of a trial at these rates, or None when no replicate was found.

    Raises StoreError when its replicates differ in their test examples, or when a file is damaged.
    """
    if not trial.done:
        return None
    aligner, tables = SplitAligner("test"), []
    name = _name(trial.config)
    rows = []
    for done in trial.done:
        tables.append(store.replicates.read_scores(done))
        rows.append(aligner.align(tables[-1], _origin(name, done)))
    outputs = np.stack(rows)
    summary = _summary(trial.config, rates, aligner.targets(), outputs, trial.counts)
    return TestRecord(
        config=trial.config,
        rates=rates,
        seeds=tuple(done.seed for done in trial.done),
        targets=aligner.targets(),
        outputs=outputs,
        metrics=summary.ensemble,
        replicates=summary.replicates,
        undefined=summary.undefined,
        batches=_critical_batches(store, trial),
        adjusted=_adjusted(trial, tables, (aligner.targets(), ensemble_outputs(outputs))),
        groups=aligner.groups(),
    )


def _critical_batches(store: Store, trial: TrialRecord) -> float | None:
    """The share of a constrained trial's batches that hold a critical example; None where none is told."""
    if trial.config.constraint is None:
        return None
    shares: list[float] = []
    for done in trial.done:
        epochs = store.replicates.read_epochs(done)
        if _CRITICAL_BATCHES in epochs.column_names:
            shares += epochs[_CRITICAL_BATCHES].drop_null().to_pylist()
    return math.fsum(shares) / len(shares) if shares else None


def _adjusted(
    trial: TrialRecord, tables: Sequence[pa.Table], test: tuple[NDArray[Any], NDArray[np.float64]]
) -> Adjusted | None:
    """The ensemble's adjusted decisions on test; None where they make no sense."""
    if not is_adjustable(trial.config):
        return None
    aligner, name, rows = SplitAligner("val"), _name(trial.config), []
    for done, table in zip(trial.done, tables, strict=True):
        rows.append(aligner.align(table, _origin(name, done)))
    validation = aligner.targets(), ensemble_outputs(np.stack(rows))
    return adjusted_decisions(trial.config, trial.counts, validation, test)


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


@dataclass(frozen=True)
class _Found:
    """What there is of a trial before its scores are read.

    name        what errors call it
    missing     its wanted replicates without a score, and why
    completed   its replicates with one, by ascending seed
    sources     what each of these was trained on, and by what
    """

    config: TrialConfig
    name: str
    standing: Standing
    missing: tuple[Missing, ...]
    completed: tuple[Done, ...]
    sources: tuple[ReplicateSource, ...]


def _find(store: Store, config: TrialConfig, done: Mapping[int, Done]) -> _Found:
    standing, failure = trial_standing(store, config, done)
    missing = missing_replicates(store, standing, done, failure)
    completed = tuple(done[s] for s in sorted(config.seeds) if standing.states[s] == "completed")
    name, sources = _name(config), []
    for replicate in completed:
        sources.append(replicate_source(store, config, replicate, _origin(name, replicate)))
    return _Found(config, name, standing, missing, completed, tuple(sources))


def _load_trial(store: Store, found: _Found, block: _Block, rates: Targets) -> TrialRecord:
    config, rows = found.config, []
    for replicate in found.completed:
        origin = _origin(found.name, replicate)
        table = store.replicates.read_scores(replicate)
        if config.data.validates:
            rows.append(block.validation.align(table, origin))
        block.test.align(table, origin)
    validation = None
    if rows:
        counts = found.sources[0].counts
        validation = _validation(config, rates, block.validation, rows, counts)
    return TrialRecord(
        config=config,
        trial_id=config.trial_id,
        standing=found.standing,
        done=found.completed,
        sources=found.sources,
        missing=found.missing,
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


def _check_data_hashes(trials: Sequence[_Found]) -> None:
    """Raises MixedDataError when replicates of one block were trained on different data."""
    blocks: dict[str, dict[str, set[str]]] = {}
    for trial in trials:
        hashes = blocks.setdefault(block_key(trial.config.data), {})
        for source in trial.sources:
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


def _name(config: TrialConfig) -> str:
    """What errors call a trial."""
    return f"{config.trial_id} ({trial_label(config)})"


def _origin(trial: str, replicate: Done) -> str:
    """What errors call a replicate of the trial of that name."""
    return f"trial {trial} seed {replicate.seed}"
