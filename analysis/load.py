"""From stored results to records: which replicates stand, where they come from, what they score.

`load_sweep` reads every trial of a sweep and computes validation metrics only. Test scores are checked for
their example ids and let go; `read_test` reads them again for the trials that were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.alignment import SplitAligner
from analysis.records import (
    Missing,
    ReplicateSource,
    TestRecord,
    TrialRecord,
    ValidationRecord,
    ensemble_scores,
)
from search_spaces.config import TrialConfig
from search_spaces.errors import StoreError
from search_spaces.labels import block_key, trial_label
from trainer.metrics import binary as metrics
from trainer.store import Done, Standing, Store, SweepManifest, standing, states_of

_REASON_LENGTH = 300


@dataclass(frozen=True)
class SweepRecords:
    """What a sweep left: a record per trial of its manifest, sorted by trial id."""

    name: str
    trials: tuple[TrialRecord, ...]


class _Block:
    """The two splits of one block, shared by all its trials."""

    def __init__(self) -> None:
        self.validation = SplitAligner("val")
        self.test = SplitAligner("test")


def load_sweep(store: Store, manifest: SweepManifest, *, workers: int = 16) -> SweepRecords:
    """Read a sweep's stored results, `workers` trials at a time.

    Only replicates that completed and that the manifest wants count as found. Raises StoreError when
    replicates of a trial or of a block differ in example ids, targets or data hash, or a file is damaged.
    """
    trials = sorted(manifest.trials, key=lambda c: c.trial_id)
    ids = [c.trial_id for c in trials]
    if len(set(ids)) != len(ids):
        raise StoreError(
            f"sweep {manifest.name}: expected each trial once, found {len(ids) - len(set(ids))} repeated"
        )
    done = store.all_replicates({c.trial_id: c.seeds for c in trials})
    blocks = {block_key(c.data): _Block() for c in trials}

    def load(config: TrialConfig) -> TrialRecord:
        return _load_trial(store, config, done.get(config.trial_id, {}), blocks[block_key(config.data)])

    with ThreadPoolExecutor(max_workers=workers) as pool:
        records = tuple(pool.map(load, trials))
    _check_data_hashes(records)
    return SweepRecords(manifest.name, records)


def load_trial(store: Store, config: TrialConfig, done: Mapping[int, Done] | None = None) -> TrialRecord:
    """Read one trial's stored results, given its DONE markers by seed where the caller has them.

    Raises StoreError as `load_sweep` does.
    """
    if done is None:
        done = store.all_replicates({config.trial_id: config.seeds}).get(config.trial_id, {})
    record = _load_trial(store, config, done, _Block())
    _check_data_hashes([record])
    return record


def read_test(store: Store, trial: TrialRecord) -> TestRecord | None:
    """Test scores and metrics of a trial, or None when no replicate was found.

    Raises StoreError when its replicates differ in their test examples, or when a file is damaged.
    """
    if not trial.done:
        return None
    aligner = SplitAligner("test")
    label = _label(trial.config)
    scores = np.stack(
        [aligner.align(store.replicates.read_scores(d), f"{label} seed {d.seed}") for d in trial.done]
    )
    targets = _targets(aligner)
    ensemble, each, undefined = _summary(trial.config, targets, scores)
    return TestRecord(
        trial_id=trial.trial_id,
        seeds=tuple(d.seed for d in trial.done),
        targets=targets,
        scores=scores,
        metrics=ensemble,
        replicate_auroc=each,
        auroc_mean=float(each.mean()),
        auroc_std=float(each.std(ddof=0)),
        undefined=undefined,
    )


def _summary(
    config: TrialConfig, targets: NDArray[np.int8], scores: NDArray[np.float32]
) -> tuple[dict[str, float], NDArray[np.float64], str | None]:
    """Metrics of the ensemble, AUROC [replicates] of each replicate, and why any of them is NaN."""
    rows = np.vstack([ensemble_scores(scores), scores])
    values = metrics.summarize_rows(targets, rows, decides_at_zero=config.loss.decides_at_zero)
    ensemble = {name: float(column[0]) for name, column in values.items()}
    return ensemble, values["auroc"][1:], metrics.undefined_reason(targets, rows)


def _load_trial(store: Store, config: TrialConfig, done: Mapping[int, Done], block: _Block) -> TrialRecord:
    found, failure = _standing(store, config, done)
    completed = tuple(done[s] for s in sorted(config.seeds) if found.states[s] == "completed")
    label = _label(config)
    rows, sources = [], []
    for replicate in completed:
        origin = f"{label} seed {replicate.seed}"
        table = store.replicates.read_scores(replicate)
        rows.append(block.validation.align(table, origin))
        block.test.align(table, origin)
        sources.append(_source(store, replicate, origin))
    return TrialRecord(
        config=config,
        trial_id=config.trial_id,
        standing=found,
        done=completed,
        sources=tuple(sources),
        missing=_missing(store, found, done, failure or {}),
        validation=_validation(config, np.stack(rows), _targets(block.validation)) if rows else None,
    )


def _validation(
    config: TrialConfig, scores: NDArray[np.float32], targets: NDArray[np.int8]
) -> ValidationRecord:
    ensemble, each, undefined = _summary(config, targets, scores)
    return ValidationRecord(
        trial_id=config.trial_id,
        found=len(scores),
        expected=len(config.seeds),
        metrics=ensemble,
        mean_auroc=float(each.mean()),
        undefined=undefined,
    )


def _source(store: Store, done: Done, origin: str) -> ReplicateSource:
    result = store.replicates.read_result(done)
    data_sha256 = result.get("data_sha256")
    if not isinstance(data_sha256, str) or not data_sha256:
        raise StoreError(
            f"{origin}: expected the data's hash as data_sha256 in its result, found {data_sha256!r}"
        )
    scores, threads = done.files["scores"], result.get("threads")
    return ReplicateSource(
        seed=done.seed,
        attempt=done.attempt,
        scores_file=scores.name,
        scores_sha256=scores.sha256,
        data_sha256=data_sha256,
        commit=str(result.get("commit", "unknown")),
        versions={str(k): str(v) for k, v in sorted(dict(result.get("versions", {})).items())},
        device=str(result.get("device", "unknown")),
        processor=_text(result, "processor"),
        cpu_capability=_text(result, "cpu_capability"),
        gpu_driver=_text(result, "gpu_driver"),
        threads=threads if isinstance(threads, int) else None,
        compiled=result.get("compiled") is True,
    )


def _text(result: Mapping[str, Any], name: str) -> str | None:
    """A text of a result, or None where it has none: an older one, or one that does not apply."""
    value = result.get(name)
    return value if isinstance(value, str) and value else None


def _standing(
    store: Store, config: TrialConfig, done: Mapping[int, Done]
) -> tuple[Standing, Mapping[str, Any] | None]:
    """How a trial stands, and why its last attempt failed where replicates are missing since."""
    found = standing(config.seeds, states_of(done))
    failure = store.notes.read_failure(config.trial_id) if found.missing else None
    if failure is not None:
        failed_seeds = failure.get("seeds") or ()
        found = standing(config.seeds, states_of(done), failed=True, failed_seeds=failed_seeds)
    return found, failure


def _missing(
    store: Store, found: Standing, done: Mapping[int, Done], failure: Mapping[str, Any]
) -> tuple[Missing, ...]:
    """Wanted replicates without a score: how each ended, else the trial's failure, else pending."""
    missing = []
    for seed, state in sorted(found.states.items()):
        if state == "completed":
            continue
        reason, pruned_by = "", None
        if state == "failed":
            reason = _failure_reason(failure)
        elif seed in done:  # not a pruned trial's other seeds, which never ended
            result = store.replicates.read_result(done[seed])
            reason = _tail(str(result.get("reason") or ""))
            pruned_by = _text(result, "pruned_by")
        missing.append(Missing(seed, state, reason, pruned_by))
    return tuple(missing)


def _failure_reason(failure: Mapping[str, Any]) -> str:
    message = str(failure.get("message") or "")
    error = str(failure.get("error") or "")
    return _tail(message) or _tail(error) or "no message was stored"


def _tail(message: str) -> str:
    """Last line with text; a long one keeps its front.

    >>> print(_tail("Traceback\\n[Errno 28] No space left on device: '" + "/folder" * 40 + "'")[:35])
    [Errno 28] No space left on device:
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    return last if len(last) <= _REASON_LENGTH else last[: _REASON_LENGTH - 1] + "…"


def _check_data_hashes(trials: Sequence[TrialRecord]) -> None:
    """Raises StoreError when replicates of one block were trained on different data."""
    blocks: dict[str, dict[str, set[str]]] = {}
    for trial in trials:
        hashes = blocks.setdefault(block_key(trial.config.data), {})
        for source in trial.sources:
            hashes.setdefault(source.data_sha256, set()).add(
                f"{trial.trial_id} ({trial_label(trial.config)})"
            )
    for hashes in blocks.values():
        if len(hashes) > 1:
            told = "; ".join(
                f"data {h[:12]}: trials {_few(sorted(names))}" for h, names in sorted(hashes.items())
            )
            raise StoreError(f"results on different data in one block, which no table may mix: {told}")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _label(config: TrialConfig) -> str:
    return f"trial {config.trial_id} ({trial_label(config)})"


def _targets(aligner: SplitAligner) -> NDArray[np.int8]:
    if aligner.examples is None:
        raise StoreError(f"no scores of the split {aligner.split!r} were read")
    return aligner.examples.targets
