"""Time estimates from measurement: one probe per kind of trial, cached in the store."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

from search_spaces.config import TrialConfig
from search_spaces.labels import trial_label
from sweeps.plan import Plan
from trainer.store import Store


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds of training that a plan still needs, in sum over replicates, without early stopping.

    `unknown` counts the missing replicates whose kind of trial has not been probed on this machine.
    """

    seconds: float
    unknown: int


def probe(
    plan: Plan, store: Store, data_dir: Path | None, *, threads: int, download: bool = False
) -> list[str]:
    """Measure every kind of trial in the plan that has no cached measurement; returns a line about each."""
    import torch

    from trainer.data import load_task
    from trainer.environment import default_device
    from trainer.probe import seconds_per_epoch

    lines = []
    for key, config in _kinds(plan, threads).items():
        path = f"probes/{key}.json"
        if store.read_json(path) is None:
            torch.set_num_threads(threads)
            task = load_task(config.data, data_dir, download=download)
            seconds = seconds_per_epoch(config, task, default_device())
            store.write_json(path, {"seconds_per_epoch": seconds, "machine": _machine(), "threads": threads})
            lines.append(f"probed {trial_label(config)}: {seconds:.3g} s per epoch and replicate")
    return lines


def estimate(plan: Plan, store: Store, *, threads: int) -> TimeEstimate:
    """What the cached measurements say about the plan's missing replicates."""
    per_epoch: dict[str, float | None] = {}
    seconds, unknown = 0.0, 0
    for trial in plan.to_run():
        key = _key(trial.config, threads)
        if key not in per_epoch:
            cached = store.read_json(f"probes/{key}.json")
            per_epoch[key] = None if cached is None else float(cached["seconds_per_epoch"])
        rate = per_epoch[key]
        if rate is None:
            unknown += len(trial.missing)
        else:
            seconds += rate * trial.config.epochs * len(trial.missing)
    return TimeEstimate(seconds, unknown)


def _kinds(plan: Plan, threads: int) -> dict[str, TrialConfig]:
    kinds: dict[str, TrialConfig] = {}
    for trial in plan.to_run():
        kinds.setdefault(_key(trial.config, threads), trial.config)
    return kinds


def _key(config: TrialConfig, threads: int) -> str:
    """All that the time per epoch depends on: data, network, batch, arithmetic, constraint, machine."""
    fields = config.model_dump(
        mode="json", include={"data", "model", "sampler", "augmentation", "batch_size", "precision"}
    )
    fields.update(
        constraint=config.constraint is not None,
        outputs=2 if config.loss.name == "ldam" else 1,
        threads=threads,
        machine=_machine(),
    )
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def _machine() -> str:
    return f"{platform.node()} {platform.machine()}"
