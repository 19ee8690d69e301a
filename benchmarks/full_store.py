"""A store as the paper's sweep leaves it, with made-up numbers: 3,284 trials of ten replicates.

    python -m benchmarks.full_store FOLDER [--trials 300] [--without-joined]

Trials, examples and epochs are as many as the space `paper` has; scores are normal, with a distance between
positives and negatives that differs from trial to trial, and examples that are hard for all of them. Files
are written through `Store`, as the trainer does, but do not wait for the disk.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from search_spaces.config import TrialConfig
from search_spaces.spaces.paper import paper
from trainer.seeds import seed_for
from trainer.store import Retry, Storage, Store, SweepManifest
from trainer.store.index import Index
from trainer.store.joined import Joined
from trainer.store.outputs import outputs_table
from trainer.store.replicates import Replicates

SWEEP = "paper"
EPOCHS = 100
# Examples of the test split by class: CIFAR-10 has 1,000, CIFAR-100 has 100.
_TEST_OF_CLASS = {"cifar10": 1000, "cifar100": 100}
_CURVES = (
    "train/loss",
    "train/violation",
    "train/penalty",
    "train/multiplier_mean",
    "train/multiplier_max",
    "val/loss",
    "val/auroc",
    "val/fpr_at_tpr_98",
    "val/fpr_at_tpr_95",
    "val/fpr_at_tpr_90",
    "val/average_precision",
    "seconds",
    "ensemble/val/auroc",
    "ensemble/val/fpr_at_tpr_98",
    "ensemble/val/fpr_at_tpr_95",
    "ensemble/val/fpr_at_tpr_90",
)


class _Unhurried(Storage):
    """A storage that leaves it to the machine when files reach its disk."""

    def write_bytes(
        self, relative: str, data: bytes, *, retry: Retry | None = None, lasting: bool = True
    ) -> None:
        super().write_bytes(relative, data, retry=retry, lasting=False)


@dataclass(frozen=True)
class _Split:
    """Examples of a split: ids, targets [N] (1 = positive), and how hard each is [N]."""

    ids: list[str]
    targets: NDArray[np.int64]
    hardness: NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_store")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trials", type=int, help="of these so many, spread over all; by default all")
    parser.add_argument("--without-joined", action="store_true", help="as before replicates were joined")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    make_store(given.folder, given.trials, joined=not given.without_joined, processes=given.processes)
    return 0


def make_store(
    folder: Path, number: int | None = None, *, joined: bool = True, processes: int = 1
) -> SweepManifest:
    """Write the store; returns its sweep. `number` are the trials, spread over all of the paper's."""
    configs = list(paper().trials)
    if number is not None:
        places = np.linspace(0, len(configs) - 1, number).astype(int)
        configs = [configs[place] for place in places]
    manifest = SweepManifest(SWEEP, tuple(configs))
    _open(folder).write_sweep(manifest)
    parts = [(folder, configs[start :: 8 * processes], joined) for start in range(8 * processes)]
    if processes == 1:
        for part in parts:
            _write_trials(part)
    else:
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(_write_trials, parts))
    return manifest


def _open(folder: Path) -> Store:
    store = Store(folder)
    store.storage = _Unhurried(folder)
    store.replicates = Replicates(store.storage)
    store.index = Index(store.storage, store.replicates)
    store.joined = Joined(store.storage, store.replicates, store.index)
    return store


def _write_trials(part: tuple[Path, Sequence[TrialConfig], bool]) -> None:
    folder, configs, joined = part
    store = _open(folder)
    for config in configs:
        store.write_config(config)
        for seed in config.seeds:
            _write_replicate(store, config, seed)
        store.index.write(config.trial_id)
        if joined:
            store.joined.write(config.trial_id)


def _write_replicate(store: Store, config: TrialConfig, seed: int) -> None:
    generator = np.random.default_rng(seed_for(seed, config.trial_id))
    distance = 1.8 + 0.6 * float(np.random.default_rng(seed_for(0, config.trial_id)).random())
    tables = []
    for name in ("val", "test"):
        split = _split(config, name)
        noise = generator.normal(size=len(split.targets))
        scores = distance * split.targets + 0.8 * split.hardness + 0.6 * noise
        tables.append(outputs_table(name, split.ids, split.targets, scores.astype(np.float32)))
    store.replicates.write(
        config.trial_id,
        seed,
        state="completed",
        attempt="0123abcd",
        epochs=_curves(config, generator),
        scores=pa.concat_tables(tables),
        result=_result(config),
    )


def _split(config: TrialConfig, name: str) -> _Split:
    data: Any = config.data
    of_class = data.validation_per_class if name == "val" else _TEST_OF_CLASS[data.source.name]
    negatives, positives = of_class * len(data.negative), of_class * len(data.positive)
    targets = np.repeat([0, 1], [negatives, positives])
    hardness = np.random.default_rng(seed_for(1, f"{data.source.name}/{name}")).normal(size=len(targets))
    return _Split([f"{name}-{number}" for number in range(len(targets))], targets, hardness)


def _curves(config: TrialConfig, generator: np.random.Generator) -> pa.Table:
    columns: dict[str, Any] = {"epoch": np.arange(EPOCHS), "learning_rate": np.full(EPOCHS, 0.01)}
    values = generator.random((len(_CURVES), EPOCHS))
    for name, of_epochs in zip(_CURVES, values, strict=True):
        columns[name] = of_epochs
    if config.constraint is not None:
        columns["train/critical_batches"] = np.full(EPOCHS, 0.3)
    return pa.table(columns)


def _result(config: TrialConfig) -> dict[str, Any]:
    data: Any = config.data
    return {
        "state": "completed",
        "reason": None,
        "scored_epochs": [EPOCHS - 1],
        "epochs": EPOCHS,
        "metrics": {f"{split}/metric_{number}": 0.5 for split in ("val", "test") for number in range(8)},
        "wall_seconds": 600.0,
        "node": "node-1",
        "device": "cpu (x86_64)",
        "processor": "a processor",
        "cpu_capability": "AVX2",
        "gpu_driver": None,
        "threads": 1,
        "compiled": False,
        "versions": {"python": "3.11", "torch": "2.11.0", "numpy": "2.0"},
        "commit": "0" * 40,
        "data_sha256": f"{data.source.name}-{config.data.ratio}".ljust(64, "0"),
        "preparation": 1,
        "counts": {"train_negatives": 4500, "train_positives": 45, "validation": 200, "test": 2000},
    }


if __name__ == "__main__":
    raise SystemExit(main())
