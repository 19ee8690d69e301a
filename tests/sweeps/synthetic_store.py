"""A result store with made-up numbers, written through `Store` as the trainer writes it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from search_spaces.config import Binary, TrialConfig
from search_spaces.paper.named import constraint_by_name, loss_by_name
from search_spaces.presets import preset
from trainer.metrics.binary import summarize
from trainer.seeds import seed_for
from trainer.store import Store, SweepManifest

EPOCHS = int(str(preset("digits")["epochs"]))
SWEEP = "demo"
# Of the preset's images and targets: a run compares them.
DIGITS_SHA256 = "be20c072929d86309d11c4b69f5dda31694bcaf447ad54eb837b2f526622d6bd"


def trials(seeds: tuple[int, ...] = (1, 2, 3), data: Binary | None = None) -> list[TrialConfig]:
    """Four trials of one block, by default of digits: two losses, with and without constraint."""
    fields = preset("digits", ratio=10)
    if data is not None:
        fields["data"] = data
    configs = []
    for loss in ("baseline_BCE", "baseline_s_LM_m05"):
        for name in ("none", "ALM_14_beg"):
            constraint = constraint_by_name(name, 0.25)
            trial = {**fields, "loss": loss_by_name(loss), "constraint": constraint, "seeds": seeds}
            configs.append(TrialConfig.model_validate(trial))
    return configs


def manifest() -> SweepManifest:
    """That of the sweep of these four trials."""
    return SweepManifest(SWEEP, tuple(trials()))


def epoch_records(config: TrialConfig, seed: int, epochs: int = EPOCHS) -> list[dict[str, float]]:
    """A replicate's epoch records; every replicate of a trial carries the same ensemble values."""
    own = np.random.default_rng(seed_for(seed, config.trial_id)).random((epochs, 4))
    shared = np.random.default_rng(seed_for(0, config.trial_id)).random(epochs)
    constrained = config.constraint is not None
    records = []
    for epoch in range(epochs):
        progress = 1 - math.exp(-(epoch + 1) / 5)
        auroc = 0.5 + 0.45 * progress + 0.03 * float(own[epoch, 0])
        ensemble = 0.52 + 0.45 * progress + 0.01 * float(shared[epoch])
        records.append(
            {
                "epoch": epoch,
                "learning_rate": 0.01,
                "train/loss": 0.7 * math.exp(-epoch / 5) + 0.05 * float(own[epoch, 1]),
                "train/violation": constrained * 0.4 * math.exp(-epoch / 3) * float(own[epoch, 2]),
                "train/penalty": constrained * 1e-4 * 2 ** min(epoch, 3),
                "train/multiplier_mean": constrained * 1e-4 * epoch,
                "train/multiplier_max": constrained * (2e-4 * epoch + 1e-5 * seed),
                "val/loss": 0.7 * math.exp(-epoch / 6) + 0.1 * float(own[epoch, 3]),
                "val/auroc": auroc,
                "val/fpr_at_tpr_98": 1 - auroc / 1.1,
                "val/fpr_at_tpr_95": 1 - auroc / 1.05,
                "val/fpr_at_tpr_90": 1 - auroc,
                "val/average_precision": auroc * 0.8,
                "seconds": 0.5,
                "ensemble/val/auroc": ensemble,
                "ensemble/val/fpr_at_tpr_98": 1 - ensemble / 1.1,
                "ensemble/val/fpr_at_tpr_95": 1 - ensemble / 1.05,
                "ensemble/val/fpr_at_tpr_90": 1 - ensemble,
            }
        )
    return records


def write_replicate(
    store: Store, config: TrialConfig, seed: int, state: str = "completed", epochs: int = EPOCHS
) -> None:
    """Write one ended replicate; only a completed one has scores."""
    tables = {split: _scores(config, seed, split) for split in ("val", "test")}
    completed = state == "completed"
    metrics = {
        f"{split}/{name}": value
        for split, table in tables.items()
        for name, value in summarize(table["target"].to_numpy(), table["score"].to_numpy()).items()
    }
    store.write_config(config)
    store.replicates.write(
        config.trial_id,
        seed,
        state=state,
        attempt="0123abcd",
        epochs=pa.Table.from_pylist(epoch_records(config, seed, epochs)),
        scores=pa.concat_tables(tables.values()) if completed else None,
        result={
            "state": state,
            "reason": None if completed else "the loss is not finite in epoch 4: train nan, validation nan",
            "scored_epochs": [epochs - 1] if completed else [],
            "epochs": epochs,
            "metrics": metrics if completed else {},
            "wall_seconds": 0.5 * epochs,
            "device": "cpu (x86_64)",
            "threads": 1,
            "versions": {"python": "3.11"},
            "commit": "0" * 40,
            "data_sha256": DIGITS_SHA256,
            "counts": {"train_negatives": 100, "train_positives": 10, "validation": 60, "test": 120},
        },
    )


def write_trial(store: Store, config: TrialConfig, seeds: Iterable[int] | None = None) -> None:
    """Write completed replicates of a trial: all wanted ones, or `seeds`."""
    for seed in config.seeds if seeds is None else seeds:
        write_replicate(store, config, seed)


def write_sweep(store: Store, configs: list[TrialConfig], name: str = SWEEP) -> None:
    """Write the manifest of a sweep of these trials."""
    store.write_sweep(SweepManifest(name=name, trials=tuple(configs)))


def failure(message: str = "CUDA out of memory") -> dict[str, object]:
    """What a failed attempt leaves behind."""
    lines = ["Traceback (most recent call last):", '  File "trial.py", line 1', f"RuntimeError: {message}"]
    return {"error": "RuntimeError", "message": message, "traceback": lines, "seeds": [1, 2, 3]}


def _scores(config: TrialConfig, seed: int, split: str) -> pa.Table:
    size = 60 if split == "val" else 120
    targets = (np.arange(size) % 3 == 0).astype(np.int8)
    generator = np.random.default_rng(seed_for(seed, f"{config.trial_id}/{split}"))
    scores = (1.6 * targets + generator.normal(size=size)).astype(np.float32)
    return pa.table(
        {
            "split": pa.array([split] * size),
            "example_id": pa.array([str(i) for i in range(size)]),
            "target": pa.array(targets),
            "score": pa.array(scores),
        }
    )
