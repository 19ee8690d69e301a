"""What MLflow shows of a trial, computed from its configuration and the result store alone.

Metric names, here of a binary task:

    val/auroc, val/fpr_at_tpr_98 ...         per epoch, of the ensemble (averaged logits of the replicates)
    val/auroc_mean, train/loss_mean ...      per epoch, mean over the replicates that trained in it
    final/val/..., final/test/...            of the ensemble's chosen checkpoints, step 0
    final/test/auroc_mean, ..._std           mean and standard deviation (ddof 0) over replicates
    final/replicates_found, ..._expected     how many replicates the ensemble holds, and how many it should

The table of runs shows tags with four decimals of what is final, "test FPR 98"; the metrics are exact.

What is final is computed from the stored scores at the rates that the sweep says now; curves have those of
the time when the trial trained. A value that is undefined (NaN) is not shown at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.alignment import SplitAligner
from analysis.curves import Curves, curves
from analysis.records import ensemble_outputs
from analysis.render.roc import RocPicture, roc_picture
from search_spaces.config import TrialConfig
from search_spaces.rows import row_label
from sweeps.tracking.columns import mlflow_name, result_columns
from sweeps.tracking.state import TrialState
from trainer.store import Store
from trainer.tasks.base import task_arrays

_REASON_LENGTH = 500
_ERROR_LENGTH = 4000


@dataclass(frozen=True)
class TrialView:
    """What MLflow shows of a trial: curves by epoch, summary metrics, tags, rows of replicates, seconds.

    `roc` is its ROC curves on test; None when no replicate completed.
    """

    curves: Curves
    summary: dict[str, float]
    tags: dict[str, str]
    replicates: list[dict[str, Any]]
    roc: RocPicture | None
    seconds: float


def trial_view(trial: TrialState, store: Store) -> TrialView:
    """Read what MLflow shows of a trial. Raises StoreError when files are missing, damaged or at odds."""
    results, records = {}, []
    for seed, done in sorted(trial.replicates.items()):
        results[seed] = store.replicates.read_result(done)
        records += store.replicates.read_epochs(done).to_pylist()
    splits = _read_splits(trial, store, results)
    completed = splits[0].seeds if splits else ()
    seconds = math.fsum(result["wall_seconds"] for result in results.values())
    summary: dict[str, float] = {
        "final/replicates_found": len(completed),
        "final/replicates_expected": len(trial.config.seeds),
    }
    if results:
        summary["final/train_seconds"] = seconds
    for split in splits:
        summary |= split.summary()
    summary = _shown(summary)
    data, rates = trial.config.data, trial.reading.targets
    tags = _ending_tags(trial, len(completed), results)
    for column in result_columns([data], rates):
        text = column.text(summary)
        if text is not None:
            tags[column.tag] = text
    roc = roc_picture(data, rates, splits[-1].targets, splits[-1].outputs) if splits else None
    return TrialView(
        curves=shown_curves(trial.config, records),
        summary=summary,
        tags=tags,
        replicates=[_replicate_row(trial, seed, result, splits) for seed, result in results.items()],
        roc=roc,
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Split:
    """The completed replicates of a trial on one split.

    targets    [examples]
    outputs    [replicates, examples] or [replicates, examples, classes], a row per seed in `seeds`
    values     by the metrics' names [1 + replicates]: of the ensemble, then of each replicate
    headline   names of those of which MLflow shows more than the ensemble's
    """

    name: str
    seeds: tuple[int, ...]
    targets: NDArray[Any]
    outputs: NDArray[np.float32]
    values: Mapping[str, NDArray[np.float64]]
    headline: Sequence[str]

    def summary(self) -> dict[str, float]:
        """The ensemble's metrics; over replicates the mean and, of several, the deviation (ddof 0)."""
        found = {}
        for name, values in self.values.items():
            found[f"final/{self.name}/{name}"] = float(values[0])
        for name in self.headline:
            each = self.values[name][1:]
            found[f"final/{self.name}/{name}_mean"] = float(each.mean())
            if len(each) > 1:
                found[f"final/{self.name}/{name}_std"] = float(each.std())
        return found

    def replicate(self, seed: int, name: str) -> float | None:
        """A metric of one replicate; None where it is undefined, as JSON cannot hold NaN."""
        if seed not in self.seeds:
            return None
        value = float(self.values[name][1 + self.seeds.index(seed)])
        return None if math.isnan(value) else value


def _read_splits(trial: TrialState, store: Store, results: Mapping[int, Mapping[str, Any]]) -> list[_Split]:
    """The completed replicates on validation, where there is one, and test; nothing where none completed."""
    config, tables = trial.config, {}
    for seed, done in sorted(trial.replicates.items()):
        if done.state == "completed":
            tables[seed] = store.replicates.read_scores(done)
    if not tables:
        return []
    arrays = task_arrays(config.data, trial.reading.targets)
    known = [arrays.drawn_counts(results[seed].get("counts") or {}) for seed in tables]
    counts, at_zero = known[0], config.loss.decides_at_zero  # every seed draws as many of each class
    splits = []
    for name in _split_names(config):
        aligner = SplitAligner(name)
        rows = []
        for seed, table in tables.items():
            rows.append(aligner.align(table, f"trial {config.trial_id} seed {seed}"))
        outputs, targets = np.stack(rows), aligner.targets()
        all_rows = np.concatenate([ensemble_outputs(outputs)[None], outputs])
        values = arrays.summarize_rows(targets, all_rows, decides_at_zero=at_zero, counts=counts)
        splits.append(_Split(name, tuple(tables), targets, outputs, values, _headline(trial)))
    return splits


def _split_names(config: TrialConfig) -> tuple[str, ...]:
    return ("val", "test") if config.data.validates else ("test",)


def _headline(trial: TrialState) -> list[str]:
    return [metric.name for metric in trial.config.data.headline(trial.reading.targets)]


def shown_curves(config: TrialConfig, records: Iterable[Mapping[str, Any]]) -> Curves:
    """Per-epoch metrics of a trial as MLflow shows them, from its replicates' epoch records."""
    points = curves(records, constrained=config.constraint is not None)
    return {epoch: _shown(point) for epoch, point in points.items()}


def _shown(values: Mapping[str, float]) -> dict[str, float]:
    """The values that are defined, under MLflow's names."""
    return {mlflow_name(name): float(value) for name, value in values.items() if math.isfinite(value)}


def _ending_tags(
    trial: TrialState, completed: int, results: Mapping[int, Mapping[str, Any]]
) -> dict[str, str]:
    tags = {"state": trial.state, "replicates": f"{completed}/{len(trial.config.seeds)}"}
    tags["row"] = row_label(trial.config, trial.reading.rows)
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


def _replicate_row(
    trial: TrialState, seed: int, result: Mapping[str, Any], splits: Sequence[_Split]
) -> dict[str, Any]:
    by_name = {split.name: split for split in splits}
    metrics: dict[str, float | None] = {}
    for split in _split_names(trial.config):
        for name in _headline(trial):
            known = by_name.get(split)
            metrics[f"{split}/{name}"] = None if known is None else known.replicate(seed, name)
    return {
        "seed": seed,
        "state": result["state"],
        "scored_epochs": result["scored_epochs"],
        "epochs": result["epochs"],
        **metrics,
        "wall_seconds": result["wall_seconds"],
        "device": result["device"],
        "processor": result.get("processor"),
        "reason": result["reason"],
    }
