"""Sweeps of digits and of scans, run as far as the first trial; no Ray is started."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from sweeps.driver.opened import open_sweep
from sweeps.driver.run import SweepOutcome, run_sweep
from sweeps.options import RunOptions
from tests.sweeps.synthetic_store import write_trial
from tests.trainer.image_files import random_images, write_class_folders
from trainer.options import TrialOptions
from trainer.store import Store

RATIOS = """
name: ratios
fixed: {dataset: digits, seeds: [1], epochs: 1, model.width: 4}
grid: {ratio: [3, 20], loss: [baseline_BCE, baseline_LDAM]}
"""
SCANS = """
name: scans
fixed:
  data:
    source: {name: folder, folder: scans, size: 8}
    negative: [benign]
    positive: [malignant]
    validation_per_class: 5
    test_per_class: 5
  epochs: 1
  patience: null
  model: {name: small_cnn, width: 4}
  seeds: [1]
grid: {ratio: [2, 5], loss: [baseline_BCE]}
"""


def space(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def write_scans(split: Path, benign: int, malignant: int, seed: int = 0) -> None:
    write_class_folders(split, {"benign": random_images(benign, (3, 8, 8), seed)})
    write_class_folders(split, {"malignant": random_images(malignant, (3, 8, 8), seed + 1)})


@dataclass
class Started:
    """What would have been trained."""

    trials: list[str] = field(default_factory=list)
    options: RunOptions | None = None


def run(path: Path, output: Path, data_dir: Path | None = None, **trial: Any) -> tuple[SweepOutcome, str]:
    console = Console(file=io.StringIO(), width=500)
    options = RunOptions(no_tracking=True, trial=TrialOptions(data_dir=data_dir, **trial))
    outcome = run_sweep(open_sweep(str(path), Store(output)), options, console)
    return outcome, console.file.getvalue()  # type: ignore[attr-defined]


def rewrite_as_of_other_data(store: Store, file: Path, without: int = 0) -> None:
    """Another hash of the data, and scores without the first examples."""
    trial_id, seed = file.parts[-4], int(file.parts[-2])
    done = store.replicates.ended(trial_id)[seed]
    result = {**store.replicates.read_result(done), "data_sha256": "e" * 64, "preparation": 2}
    store.replicates.write(
        trial_id,
        seed,
        state="completed",
        attempt="fedcba98",
        epochs=store.replicates.read_epochs(done),
        scores=store.replicates.read_scores(done).slice(without),
        result=result,
    )


def write_trial_of_other_data(store: Store, config: Any) -> None:
    write_trial(store, config)
    folder = Path(store.storage.root) / "trials" / config.trial_id
    for file in folder.glob("replicates/*/result.0123abcd.json"):
        rewrite_as_of_other_data(store, file)
