"""The matrix's trials without Ray, without MLflow and without a fault: `python calm.py SPACE OUTPUT`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from search_spaces.catalog import load_space
from sweeps.cli.main import app
from tests.integration.faults.scene import SPACE, Scene
from trainer.device.cpu import prepare_cpu
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial


def undisturbed_tables(folder: Path, space: str = SPACE) -> dict[str, bytes]:
    """The tables that a disturbed sweep is held against, made in a process of their own.

    `space` is the text of the sweep's space, by default that of the matrix. Raises CalledProcessError when
    they cannot be made.
    """
    scene = Scene(folder)
    scene.space.write_text(space)
    command = [sys.executable, __file__, scene.space, scene.output]
    subprocess.run(command, env=scene.environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return scene.tables()


def main() -> None:
    space, output = sys.argv[1:]
    prepare_cpu(threads=1)
    found, store = load_space(space), Store(output)
    store.write_sweep(SweepManifest(found.name, found.trials))
    for config in found.trials:
        run_trial(config, store, torch.device("cpu"), TrialOptions())
    app(["tables", space, "--output", output])


if __name__ == "__main__":
    main()
