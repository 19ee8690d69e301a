"""A small stored sweep with every kind of cell, written through the store like a real one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.tables import Tables
from search_spaces.config import (
    Bce,
    Binary,
    Cifar10,
    ClassBalancedBce,
    ConstraintConfig,
    DataConfig,
    ImageFolder,
    Imbalance,
    Ldam,
    LossConfig,
    MultiClass,
    SymmetricMargin,
    TrialConfig,
)
from trainer.store import Store, SweepManifest

ALM = ConstraintConfig(penalty=1e-6, margin=0.25)
SIZES = {"val": (10, 20), "test": (20, 60)}  # positives, negatives
SEEDS = (1, 2, 3, 4)
CIFAR = Binary(source=Cifar10(), negative=(1,), positive=(9,), imbalance_ratio=100, validation_per_class=100)
LONG_TAIL = MultiClass(
    source=Cifar10(),
    classes=(1, 8, 9),
    critical=(8, 9),
    imbalance=Imbalance(factor=10),
    validation_per_class=10,
)
FOLDER = Binary(source=ImageFolder(folder="scans"), negative=("healthy",), positive=("ill",))


def trial(
    loss: LossConfig, constraint: ConstraintConfig | None = None, *, data: DataConfig = CIFAR, **fields: Any
) -> TrialConfig:
    return TrialConfig(data=data, loss=loss, constraint=constraint, **{"seeds": SEEDS, **fields})


def noise(key: str) -> float:
    """A multiple of 1/64 in [-2, 2), the same on every machine; exact in float32, as are sums of four."""
    return hashlib.sha256(key.encode()).digest()[0] / 64 - 2


def score_table(
    key: str, seed: int, shift: Mapping[str, float], *, order: Sequence[int] | None = None
) -> pa.Table:
    """Scores whose positives lie `shift[split]` higher; `order` permutes the rows of the file."""
    rows = []
    for split, (positives, negatives) in SIZES.items():
        for i in range(positives + negatives):
            target = int(i < positives)
            value = noise(f"{key}/{seed}/{split}/{i}") + target * shift[split]
            rows.append({"split": split, "example_id": str(1000 + i), "target": target, "score": value})
    schema = pa.schema(
        [("split", pa.string()), ("example_id", pa.string()), ("target", pa.int8()), ("score", pa.float32())]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    return table if order is None else table.take(pa.array(order))


def with_column(table: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """The table with other values in one column, of the same type."""
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


def rows_in_files() -> int:
    return sum(map(sum, SIZES.values()))


@dataclass
class SweepBuilder:
    """Writes replicates into a store, one call each."""

    folder: Path
    trials: list[TrialConfig] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.folder)

    def add(self, config: TrialConfig) -> TrialConfig:
        self.trials.append(config)
        self.store.write_config(config)
        return config

    def replicate(
        self,
        config: TrialConfig,
        seed: int,
        scores: pa.Table | None,
        *,
        state: str = "completed",
        reason: str | None = None,
        data_sha256: str = "d" * 64,
        device: str = "cpu (x86_64)",
        threads: int = 1,
        compiled: bool = False,
        torch: str = "2.13.0",
        critical_batches: Sequence[float] = (),
        epochs: pa.Table | None = None,
        **facts: Any,
    ) -> None:
        """`critical_batches` is a share per epoch, `epochs` other records; `facts` are further entries.

        Of the result, such as `processor`; older results have none.
        """
        result = {
            **facts,
            "device": device,
            "threads": threads,
            "compiled": compiled,
            "state": state,
            "reason": reason,
            "data_sha256": data_sha256,
            "commit": "c" * 40,
            "versions": {"torch": torch, "python": "3.11.9"},
        }
        records = {"epoch": pa.array([0], pa.int32())}
        if critical_batches:
            shares = pa.array(critical_batches, pa.float64())
            records = {"epoch": pa.array(range(len(shares)), pa.int32()), "train/critical_batches": shares}
        self.store.replicates.write(
            config.trial_id,
            seed,
            state=state,
            attempt=f"a{seed:07d}",
            epochs=pa.table(records) if epochs is None else epochs,
            scores=scores,
            result=result,
        )

    def complete(self, config: TrialConfig, key: str, val: float, test: float, **options: Any) -> TrialConfig:
        """A complete trial, its positives `val` and `test` above the rest."""
        self.add(config)
        for seed in config.seeds:
            self.replicate(config, seed, score_table(key, seed, {"val": val, "test": test}), **options)
        return config

    def manifest(self, name: str = "golden") -> SweepManifest:
        return SweepManifest(name, tuple(self.trials))


def add_golden_trials(builder: SweepBuilder) -> None:
    """Two blocks: complete, partial, failed, pending and diverged trials, and a hostile message."""
    weak, strong = ConstraintConfig(penalty=1e-6, margin=0.25), ConstraintConfig(penalty=1e-5, margin=1.0)
    shift = {"val": 1.25, "test": 2.5}
    builder.complete(trial(Bce()), "bce", 0.75, 0.9)
    builder.complete(trial(SymmetricMargin(margin=0.5)), "s-lm-1", 0.8, 1.0)
    builder.complete(trial(SymmetricMargin(margin=2.0)), "s-lm-2", 1.1, 0.8)
    partial = builder.add(trial(Bce(), weak))
    builder.replicate(partial, 1, score_table("bce-alm", 1, shift))
    builder.replicate(partial, 2, score_table("bce-alm", 2, shift))
    builder.replicate(partial, 3, None, state="diverged", reason="train loss is nan in epoch 3")
    failure = {"error": "OSError", "message": "Traceback\ndisk | full: `rm` *now* & $50_%", "seeds": [4]}
    builder.store.notes.write_failure(partial.trial_id, failure)
    builder.complete(trial(SymmetricMargin(margin=0.5), weak), "s-lm-alm", 1.0, 1.3)
    diverged = builder.add(trial(SymmetricMargin(margin=0.5), strong))
    builder.replicate(diverged, 1, score_table("s-lm-alm-2", 1, {"val": 3, "test": 3}))
    for seed in SEEDS[1:]:
        builder.replicate(diverged, seed, None, state="diverged", reason="train loss is nan in epoch 1")
    builder.add(trial(ClassBalancedBce(beta=0.999)))
    failed = builder.add(trial(Ldam(), strong))
    builder.store.notes.write_failure(
        failed.trial_id, {"error": "OutOfMemoryError", "message": "", "seeds": list(SEEDS)}
    )
    builder.complete(trial(Bce(), data=FOLDER), "folder-bce", 1.0, 1.0)
    builder.complete(trial(Bce(), weak, data=FOLDER), "folder-bce-alm", 1.2, 1.2)


def permutation(length: int, key: str) -> list[int]:
    return [int(i) for i in np.argsort([noise(f"{key}/{i}") for i in range(length)], kind="stable")]


def cell(made: Tables, row: str, block: int = 0) -> dict[str, Any]:
    """What the tables' frame says of a cell; `block` is a place among the blocks."""
    frame = made.frame
    rows = frame[(frame["row"] == row) & (frame["block"] == frame["block"].unique()[block])]
    (record,) = rows.to_dict("records")
    return record
