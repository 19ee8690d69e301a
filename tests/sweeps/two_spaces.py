"""Two spaces of one name, and an output folder in which one of them was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sweeps.driver.opened import open_sweep
from sweeps.search.study import SearchStudy
from trainer.store import Store, SweepManifest

GRID = "fixed: {{dataset: digits, model.width: 2, epochs: 1, seeds: [1]}}\ngrid: {{loss: [{losses}]}}\n"
SEARCH = """
fixed: {{dataset: digits, model.width: 2, loss: baseline_BCE, seeds: [1]}}
search: {{domains: {{epochs: {{int_uniform: [{low}, {high}]}}}}, samples: {samples}}}
"""


def grid(folder: Path, losses: str, **more: str) -> Path:
    return written(folder, GRID.format(losses=losses), **more)


def search(folder: Path, low: int, high: int, samples: int = 3) -> Path:
    return written(folder, SEARCH.format(low=low, high=high, samples=samples))


def written(folder: Path, text: str, **more: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "space.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in more.items()) + text)
    return path


def ran(space: Path, output: Path | str, **asked: Any) -> SweepManifest:
    """A sweep as `run` leaves it in the store, before any trial has ended."""
    sweep = open_sweep(str(space), Store(output), **asked)
    manifest = sweep.manifest
    if sweep.search is not None:
        study = SearchStudy(sweep.store, sweep.name, sweep.search, manifest.samples or 0)
        while study.suggest() is not None:
            pass
        manifest = study.manifest()
    sweep.store.write_sweep(manifest)
    return manifest


def content(output: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in output.rglob("*") if path.is_file()}
