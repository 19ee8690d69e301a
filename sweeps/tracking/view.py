"""What MLflow shows of a trial, computed from its configuration and the result store alone.

Metric names:

    val/auroc, val/fpr_at_tpr_98 ...         per epoch, of the ensemble (averaged logits of the replicates)
    val/auroc_mean, train/loss_mean ...      per epoch, mean over the replicates that trained in it
    final/val/..., final/test/...            of the ensemble's chosen checkpoints, step 0
    final/test/auroc_mean, ..._std           mean and standard deviation (ddof 0) over replicates
    final/replicates_found, ..._expected     how many replicates the ensemble holds, and how many it should

A value that is undefined (NaN) is not shown at all.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.alignment import SplitAligner
from analysis.records import ensemble_scores
from search_spaces.config import TrialConfig
from search_spaces.errors import StoreError
from trainer.metrics.binary import summarize
from trainer.store import Done, Store, standing, states_of

# Raise it when this file or the ROC picture changes what is shown: finished runs are then brought up to date.
VIEW_VERSION = 4

STATUS = {
    "running": "RUNNING",
    "completed": "FINISHED",
    "pruned": "FINISHED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
# A trial's state in MLflow's words, where they are others than those of `trainer.store.Standing`.
_WORDS = {"done": "completed", "partial": "interrupted", "pending": "interrupted"}
SPLITS = ("val", "test")
SPREAD_METRICS = ("auroc", "fpr_at_tpr_98", "fpr_at_tpr_95", "fpr_at_tpr_90")
_CONSTRAINT_CURVES = ("train/violation", "train/penalty", "train/multiplier_mean", "train/multiplier_max")
_MEAN_NAMES = {"train/multiplier_mean": "train/multiplier_mean", "learning_rate": "train/learning_rate"}
_REASON_LENGTH = 500
_ERROR_LENGTH = 4000

Curves = dict[int, dict[str, float]]
Scores = tuple[NDArray[np.int8], NDArray[np.float32]]


@dataclass(frozen=True)
class TrialState:
    """How a trial stands in the store, from markers alone.

    state         a key of STATUS
    is_complete   whether a relaunch would train nothing
    fingerprint   changes whenever something that MLflow shows may have changed
    """

    config: TrialConfig
    replicates: Mapping[int, Done]
    failure: Mapping[str, Any] | None
    state: str
    is_complete: bool
    fingerprint: str


@dataclass(frozen=True)
class TrialView:
    """What MLflow shows of a trial: curves by epoch, summary metrics, tags, rows of replicates, seconds.

    `scores` holds, by split, targets [examples] and scores [completed replicates, examples]; it is empty when
    no replicate completed.
    """

    curves: Curves
    summary: dict[str, float]
    tags: dict[str, str]
    replicates: list[dict[str, Any]]
    scores: dict[str, Scores]
    seconds: float


def trial_state(
    config: TrialConfig, replicates: Mapping[int, Done], failure: Mapping[str, Any] | None
) -> TrialState:
    """How a trial stands, given its DONE markers by seed and its `failure.json`."""
    wanted = {seed: replicates[seed] for seed in config.seeds if seed in replicates}
    found = standing(config.seeds, states_of(wanted), failed=failure is not None)
    state = _WORDS.get(found.status, found.status)
    content = {
        "view": VIEW_VERSION,
        "seeds": sorted(config.seeds),
        "state": state,
        "failure": failure if state == "failed" else None,
        "files": [
            [d.seed, d.state, d.attempt, sorted(f.sha256 for f in d.files.values())] for d in wanted.values()
        ],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return TrialState(config, wanted, failure, state, not found.missing, digest[:16])


def read_trial_state(store: Store, config: TrialConfig) -> TrialState:
    """How a trial stands now; a failure is read only where replicates are missing."""
    done = store.replicates.ended(config.trial_id)
    found = standing(config.seeds, states_of(done))
    failure = store.notes.read_failure(config.trial_id) if found.missing else None
    return trial_state(config, done, failure)


def trial_view(trial: TrialState, store: Store) -> TrialView:
    """Read what MLflow shows of a trial. Raises StoreError when files are missing, damaged or at odds."""
    completed = [d for _, d in sorted(trial.replicates.items()) if d.state == "completed"]
    results = {seed: store.replicates.read_result(done) for seed, done in trial.replicates.items()}
    records = [
        r for done in trial.replicates.values() for r in store.replicates.read_epochs(done).to_pylist()
    ]
    tables = {done.seed: store.replicates.read_scores(done) for done in completed}
    scores = {split: _aligned(trial, tables, split) for split in SPLITS} if tables else {}
    summary: dict[str, float] = {}
    for split, (targets, rows) in scores.items():
        ensemble = summarize(
            targets, ensemble_scores(rows), decides_at_zero=trial.config.loss.decides_at_zero
        )
        summary |= {f"final/{split}/{name}": value for name, value in ensemble.items()}
    summary |= _spread([results[done.seed]["metrics"] for done in completed])
    summary["final/replicates_found"] = len(completed)
    summary["final/replicates_expected"] = len(trial.config.seeds)
    seconds = math.fsum(result["wall_seconds"] for result in results.values())
    if results:
        summary["final/train_seconds"] = seconds
    return TrialView(
        curves=curves(records, constrained=trial.config.constraint is not None),
        summary={name: float(value) for name, value in summary.items() if math.isfinite(value)},
        tags=_ending_tags(trial, len(completed), results),
        replicates=[_replicate_row(seed, result) for seed, result in sorted(results.items())],
        scores=scores,
        seconds=seconds,
    )


def curves(records: Iterable[Mapping[str, Any]], *, constrained: bool) -> Curves:
    """Per-epoch metrics of a trial from its replicates' epoch records.

    The ensemble's value of an epoch is the one that the last of its records carries; means leave out values
    that are not finite. A trial without constraint shows no curves of it: they would be 0.
    """
    by_epoch: dict[int, dict[str, list[float]]] = {}
    for record in records:
        values = by_epoch.setdefault(int(record["epoch"]), {})
        for name, value in record.items():
            if value is not None and math.isfinite(value):
                values.setdefault(name, []).append(float(value))
    return {epoch: _epoch_point(by_epoch[epoch], constrained) for epoch in sorted(by_epoch)}


def _epoch_point(values: Mapping[str, list[float]], constrained: bool) -> dict[str, float]:
    point: dict[str, float] = {}
    for name, numbers in values.items():
        if name.startswith("ensemble/"):
            point[name.removeprefix("ensemble/")] = numbers[-1]
        elif name == "train/multiplier_max" and constrained:
            point[name] = max(numbers)
        elif name in _CONSTRAINT_CURVES and not constrained:
            continue
        elif name in _MEAN_NAMES or name.startswith(("train/", "val/")):
            point[_MEAN_NAMES.get(name, f"{name}_mean")] = math.fsum(numbers) / len(numbers)
    return point


def _aligned(trial: TrialState, tables: Mapping[int, pa.Table], split: str) -> Scores:
    """Targets and a row of scores per replicate, sorted by example id, as `analysis` sees them."""
    aligner = SplitAligner(split)
    origin = f"trial {trial.config.trial_id} seed"
    scores = np.stack([aligner.align(table, f"{origin} {seed}") for seed, table in tables.items()])
    if aligner.examples is None:
        raise StoreError(f"{origin}s {list(tables)}: no scores of the split {split!r} were read")
    return aligner.examples.targets, scores


def _spread(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Mean and deviation (ddof 0, as in the tables) over replicates, where all define it."""
    spread: dict[str, float] = {}
    for name in (f"{split}/{name}" for split in SPLITS for name in SPREAD_METRICS if metrics):
        values = np.array([m.get(name) for m in metrics], dtype=np.float64)
        spread[f"final/{name}_mean"], spread[f"final/{name}_std"] = float(values.mean()), float(values.std())
    return spread


def _ending_tags(
    trial: TrialState, completed: int, results: Mapping[int, Mapping[str, Any]]
) -> dict[str, str]:
    tags = {"state": trial.state, "replicates": f"{completed}/{len(trial.config.seeds)}"}
    commits = sorted({str(result["commit"]) for result in results.values()})
    if commits:
        tags["commit"] = ", ".join(commits)
    if trial.state == "diverged":
        reasons = (f"seed {s}: {r['reason']}" for s, r in results.items() if r["state"] == "diverged")
        tags["reason"] = "; ".join(reasons)[:_REASON_LENGTH]
    elif trial.state == "failed" and trial.failure is not None:
        failure = trial.failure
        tags["reason"] = f"{failure.get('error')}: {failure.get('message')}"[:_REASON_LENGTH]
        trace = failure.get("traceback", ())
        tags["error"] = (trace if isinstance(trace, str) else "\n".join(trace))[-_ERROR_LENGTH:]
    return tags


def _replicate_row(seed: int, result: Mapping[str, Any]) -> dict[str, Any]:
    metrics = result["metrics"]
    return {
        "seed": seed,
        "state": result["state"],
        "scored_epochs": result["scored_epochs"],
        "epochs": result["epochs"],
        **{f"{split}/{name}": metrics.get(f"{split}/{name}") for split in SPLITS for name in SPREAD_METRICS},
        "wall_seconds": result["wall_seconds"],
        "device": result["device"],
        "processor": result.get("processor"),
        "reason": result["reason"],
    }
