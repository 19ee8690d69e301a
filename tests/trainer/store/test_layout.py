"""Paths are built and read in one place, and mean today what they meant when stores were written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from trainer.store import TrialFiles, layout

ROOT = Path(__file__).parents[3]
TRIAL = "0123456789abcdef"
FOLDERS = re.compile(r"(trials|index|sweeps|studies|probes)/")


@pytest.mark.parametrize(
    ("built", "path"),
    [
        (layout.IDENTITY, "store.json"),
        (layout.sweep("mine"), "sweeps/mine.json"),
        (layout.lease("mine"), "sweeps/mine.lease"),
        (layout.suggestion("mine", 12), "studies/mine/000012.json"),
        (layout.probe("0a1b"), "probes/0a1b.json"),
        (layout.config(TRIAL), f"trials/{TRIAL}/config.json"),
        (layout.checkpoint(TRIAL), f"trials/{TRIAL}/checkpoint.pt"),
        (layout.failure(TRIAL), f"trials/{TRIAL}/failure.json"),
        (layout.stop_request(TRIAL), f"trials/{TRIAL}/stop.json"),
        (layout.marker(TRIAL, 3, "completed"), f"trials/{TRIAL}/replicates/3/DONE"),
        (layout.marker(TRIAL, 3, "diverged"), f"trials/{TRIAL}/replicates/3/DONE.diverged"),
        (layout.replicate_file(TRIAL, 3, "result.0a.json"), f"trials/{TRIAL}/replicates/3/result.0a.json"),
        (layout.attempt_name("weights", "0a"), "weights.0a.pt"),
        (layout.index_entry(TRIAL, "c1-3"), f"index/{TRIAL}/c1-3.json"),
    ],
)
def test_paths_stay_as_they_are(built: str, path: str) -> None:
    assert built == path


def test_a_listing_tells_what_the_paths_say() -> None:
    paths = [
        layout.config(TRIAL),
        layout.marker(TRIAL, 1, "completed"),
        layout.marker(TRIAL, 2, "diverged"),
        layout.marker(TRIAL, 3, "pruned"),
        layout.replicate_file(TRIAL, 4, "epochs.0a.parquet"),
        layout.checkpoint("other"),
        layout.failure("other"),
    ]
    assert layout.trial_files(paths) == {
        TRIAL: TrialFiles({1: "completed", 2: "diverged", 3: "pruned"}),
        "other": TrialFiles(checkpoint=True, failure=True),
    }


@pytest.mark.parametrize("first", ["completed", "diverged"])
def test_of_two_markers_the_completed_one_counts(first: str) -> None:
    second = {"completed": "diverged", "diverged": "completed"}[first]
    paths = [layout.marker(TRIAL, 1, state) for state in (first, second)]
    assert layout.trial_files(paths)[TRIAL].replicates == {1: "completed"}


@pytest.mark.parametrize("package", ["search_spaces", "trainer", "sweeps", "analysis"])
def test_no_path_is_built_elsewhere(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        if path == Path(layout.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begins = str(node.values[0].value)
                assert not FOLDERS.match(begins), f"{path.relative_to(ROOT)}:{node.lineno}: {begins}…"
