"""From stored results to records: what the replicates of trials score.

`load_sweep` reads every trial of a sweep and computes validation metrics only. Test scores are checked for
their example ids and let go; `read_test` reads them again for the trials that were chosen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.adjusted import Adjusted, adjusted_decisions, is_adjustable
from analysis.alignment import SplitAligner
from analysis.found import Called
from analysis.outputs import StoredOutputs, read_outputs
from analysis.records import (
    TestRecord,
    TrialRecord,
    ensemble_outputs,
)
from analysis.replicates import told_damage
from analysis.trials import LoadedTrial, TrialReader, summarized
from analysis.tuned import Tuned, tuned_decisions
from search_spaces.config import Targets, TrialConfig
from search_spaces.errors import DamagedError, MixedDataError, StoreError
from search_spaces.labels import block_key
from search_spaces.reading import Reading
from trainer.store import Confirms, Damage, Done, Store, SweepManifest, wanted_seeds

K = TypeVar("K")
V = TypeVar("V")

_MOST_NAMES = 5
# Objects or trials that are read side by side; of what is read, no more waits to be computed with.
_AT_ONCE = 16
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


def load_sweep(store: Store, manifest: SweepManifest, more: Targets | None = None) -> SweepRecords:
    """Read a sweep's stored results.

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
    rates = manifest.reading.targets
    if more is not None:
        rates = rates.joined(more)
    reader = TrialReader(store, rates, trials)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        loaded = _loaded(pool, reader, store, trials)
    _check_data_hashes(loaded)
    records = tuple(one.record for one in loaded)
    return SweepRecords(manifest.name, records, manifest.reading, rates, manifest.confirms)


def _loaded(
    pool: ThreadPoolExecutor, reader: TrialReader, store: Store, trials: Sequence[TrialConfig]
) -> list[LoadedTrial]:
    """These trials, in their order: each by its joined object, or else by what else there is of it."""
    wanted, found = wanted_seeds(trials), dict[str, LoadedTrial]()
    configs, entries = dict(zip(wanted, trials, strict=True)), store.index.entries(wanted)
    indexed = [entry for entry in map(entries.get, wanted) if entry is not None]
    # Threads wait for the store side by side. What is read is computed with here: many threads that compute
    # take twice as long, as they wait for each other.
    for entry, opened in _ahead(pool, store.joined.open_entry, indexed):
        loaded = None if opened is None else reader.read_joined(configs[entry.trial_id], entry, opened)
        if loaded is not None:
            found[entry.trial_id] = loaded
    rest = {trial_id: config for trial_id, config in configs.items() if trial_id not in found}
    if rest:
        damage: Damage = {}
        done = store.all_replicates({trial_id: wanted[trial_id] for trial_id in rest}, damage)
        others = pool.map(lambda each: reader.read(each[1], done.get(each[0], {}), damage), rest.items())
        found.update(zip(rest, others, strict=True))
    return [found[trial_id] for trial_id in wanted]


def _ahead(pool: ThreadPoolExecutor, function: Callable[[K], V], keys: Iterable[K]) -> Iterator[tuple[K, V]]:
    """Each key and what the function gives for it, in their order; a few are asked for early."""
    asked: deque[tuple[K, Future[V]]] = deque()
    for key in keys:
        asked.append((key, pool.submit(function, key)))
        if len(asked) > _AT_ONCE:
            first, answer = asked.popleft()
            yield first, answer.result()
    for key, answer in asked:
        yield key, answer.result()


def load_trial(
    store: Store, config: TrialConfig, rates: Targets, done: Mapping[int, Done] | None = None
) -> TrialRecord:
    """Read one trial's stored results, given its DONE markers by seed where the caller has them.

    `rates` are those at which its metrics are wanted. Raises StoreError as `load_sweep` does.
    """
    damage: Damage = {}
    if done is None:
        done = store.all_replicates(wanted_seeds([config]), damage).get(config.trial_id, {})
    loaded = TrialReader(store, rates, [config]).read(config, done, damage)
    _check_data_hashes([loaded])
    return loaded.record


def read_test(store: Store, trial: TrialRecord, rates: Targets) -> TestRecord | None:
    """Test outputs and metrics of a trial at these rates, or None when no replicate was found.

    Raises StoreError when its replicates differ in their test examples, or when a file is damaged.
    """
    if not trial.done:
        return None
    aligner = SplitAligner("test")
    stored = read_outputs(store, Called(trial.config), trial.done)
    outputs = stored.aligned(aligner)
    summary = summarized(trial.config, rates, aligner.targets(), outputs, trial.counts)
    test = aligner.targets(), ensemble_outputs(outputs)
    epochs, damage = _epochs(store, trial, stored)
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
        adjusted=_adjusted(trial, stored, test),
        tuned=_tuned(trial, stored, test),
        groups=aligner.groups(),
        epochs=epochs,
    )


def _epochs(
    store: Store, trial: TrialRecord, stored: StoredOutputs
) -> tuple[dict[int, pa.Table], str | None]:
    """A constrained trial's epoch records by seed; and why some cannot be read, None where all can.

    Of a trial without the constraint, and of one with damage, there are none.
    """
    if trial.config.constraint is None:
        return {}, None
    try:
        return stored.epochs(store), None
    except DamagedError as error:
        return {}, told_damage(store, error)


def _critical_batches(epochs: Mapping[int, pa.Table]) -> float | None:
    """The share of batches that hold a critical example; None where none is told."""
    shares: list[float] = []
    for records in epochs.values():
        if _CRITICAL_BATCHES in records.column_names:
            shares += records[_CRITICAL_BATCHES].drop_null().to_pylist()
    return math.fsum(shares) / len(shares) if shares else None


def _adjusted(
    trial: TrialRecord, stored: StoredOutputs, test: tuple[NDArray[Any], NDArray[np.float64]]
) -> Adjusted | None:
    """The ensemble's adjusted decisions on test; None where they make no sense."""
    if not is_adjustable(trial.config):
        return None
    targets, outputs = _validation_outputs(stored)
    validation = targets, ensemble_outputs(outputs)
    return adjusted_decisions(trial.config, trial.counts, validation, test)


def _tuned(
    trial: TrialRecord, stored: StoredOutputs, test: tuple[NDArray[Any], NDArray[np.float64]]
) -> Tuned | None:
    """The ensemble's decisions at chosen thresholds on test; None where they make no sense."""
    if not trial.config.data.has_label_sets:
        return None
    return tuned_decisions(trial.config, _validation_outputs(stored), test)


def _validation_outputs(stored: StoredOutputs) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Targets, and outputs of each replicate, of the validation split."""
    aligner = SplitAligner("val")
    outputs = stored.aligned(aligner)
    return aligner.targets(), outputs


def _check_data_hashes(trials: Sequence[LoadedTrial]) -> None:
    """Raises MixedDataError when replicates of one block were trained on different data."""
    blocks: dict[str, dict[str, list[Called]]] = {}
    for trial in trials:
        hashes = blocks.setdefault(block_key(trial.config.data), {})
        for sha256 in trial.data_hashes:
            hashes.setdefault(sha256, []).append(trial.name)
    for hashes in blocks.values():
        if len(hashes) > 1:
            told = []
            for sha256, names in sorted(hashes.items()):
                told.append(f"data {sha256[:12]}: trials {_few(sorted(map(str, names)))}")
            raise MixedDataError(
                f"results on different data in one block, which no table may mix: {'; '.join(told)}"
            )


def _few(names: Sequence[str]) -> str:
    told = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        told += f" and {len(names) - _MOST_NAMES} more"
    return told
