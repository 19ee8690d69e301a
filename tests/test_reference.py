"""The reference pages: level with the program, and without gaps."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest
import torch

from analysis.pictures import write_figures
from analysis.tables import write_tables
from docs.reference import FOLDER, main, pages
from search_spaces.catalog import NAMED_SPACES
from search_spaces.config import DEFAULT_TARGETS, LOSS_TYPES
from search_spaces.config.tasks.registered import TASKS
from search_spaces.keys import SHORT_FORMS, known_keys
from search_spaces.paper.named import CONSTRAINTS, LOSSES
from search_spaces.presets import PRESETS
from search_spaces.space import SearchSpace
from search_spaces.yaml import space as yaml_space
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest
from trainer.trial import run_trial

ROOT = Path(__file__).parent.parent


def names_in(page: str) -> set[str]:
    """What stands in the first column of a page's tables."""
    return set(re.findall(r"(?m)^\| `([^`]+)` \|", page))


def test_pages_are_what_the_program_writes() -> None:
    """When this fails: `make reference`."""
    assert {path.name for path in FOLDER.iterdir()} == set(pages())
    for name, text in pages().items():
        assert (FOLDER / name).read_text() == text, f"docs/reference/{name}: run `make reference`"


def test_pages_are_written_where_asked(tmp_path: Path) -> None:
    assert main(["--folder", str(tmp_path / "new")]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(pages())


def test_every_key_is_told() -> None:
    told = names_in(pages()["keys.md"])
    assert told >= {"dataset", *SHORT_FORMS, *yaml_space._KEYS}
    # By `name` and `task` members of one kind are told apart: they stand in the titles.
    written = {key for key in known_keys() if key.rpartition(".")[2] not in ("name", "task")}
    assert told >= written
    # A list is set as a whole, so what its members have is no key of its own.
    of_lists = {key for key in told if key.startswith("augmentation.then.")}
    assert not {key for key in told - written - of_lists if "." in key}


def test_every_name_is_told() -> None:
    page = pages()["names.md"]
    assert names_in(page) >= {*NAMED_SPACES, *PRESETS, *LOSSES, *CONSTRAINTS}
    for loss in LOSS_TYPES:
        assert f"### `{loss.type_name()}`" in page


def test_every_metric_is_told() -> None:
    told = names_in(pages()["metrics.md"])
    for task in TASKS:
        assert told >= {metric.name for metric in task.example().metrics(DEFAULT_TARGETS)}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a sweep of two trials, with and without the constraint."""
    folder = tmp_path_factory.mktemp("output")
    settings = {"dataset": "digits", "ratio": 5, "epochs": 1, "seeds": [1], "model.width": 2}
    given = [{**settings, "loss": "bce"}, {**settings, "loss": "bce", "alm": "ALM_14_beg"}]
    manifest = SweepManifest("small", SearchSpace.of("small", given).trials)
    store = Store(folder)
    store.write_sweep(manifest)
    for config in manifest.trials:
        run_trial(config, store, torch.device("cpu"), TrialOptions(keep_weights="all"))
    written = write_tables(store, manifest, folder / "tables" / "small")
    write_figures(written, folder / "figures" / "small")
    return folder


def test_every_file_is_told(output: Path) -> None:
    page = pages()["files.md"]
    for path in output.rglob("*"):
        if path.is_dir():
            continue
        name = re.sub(r"\.[0-9a-f]{8}\.", ".<attempt>.", path.name)
        name = re.sub(r"[0-9a-f]{16}", "<trial>", name).replace("small.", "<name>.")
        if path.parent.parent.name == "figures":
            name = str(Path(name).with_suffix(".png"))
        if path.parent.parent.name == "tables" and name not in page:
            name = str(Path(name.replace("-long.", ".")).with_suffix(".csv"))
        if path.parent.parent.name == "index":
            name = "<states>.<digest>.json"
        if path.parent.name == "joined":
            name = "<trial_id>.outputs"
        assert name in page, path


def section(title: str) -> set[str]:
    """The names in the table of one file."""
    _, _, rest = pages()["files.md"].partition(f"`{title}`\n\n")
    assert rest, title
    return names_in(rest.partition("\n#")[0])


@pytest.mark.parametrize(
    ("title", "pattern"),
    [
        ("sweeps/NAME.json", "sweeps/small.json"),
        ("DONE", "trials/*/replicates/1/DONE"),
        ("result.ATTEMPT.json", "trials/*/replicates/1/result.*.json"),
        ("index/TRIAL/STATES.json", "index/*/*.json"),
        ("provenance.json", "tables/small/provenance.json"),
    ],
)
def test_every_key_of_a_file_is_told(output: Path, title: str, pattern: str) -> None:
    told = section(title)
    for path in output.glob(pattern):
        content = json.loads(path.read_text())
        assert told >= content.keys(), path
        if title == "provenance.json":
            assert section("cells") >= content["cells"][0].keys()


def test_every_column_is_told(output: Path) -> None:
    tables = {
        "best.csv": [output / "tables" / "small" / "best.csv"],
        "comparisons.csv": [output / "tables" / "small" / "comparisons.csv"],
        "epochs.ATTEMPT.parquet": list(output.glob("trials/*/replicates/1/epochs.*")),
        "scores.ATTEMPT.parquet": list(output.glob("trials/*/replicates/1/scores.*")),
    }
    metrics = "|".join(map(re.escape, names_in(pages()["metrics.md"]) | {"auc"}))
    for title, paths in tables.items():
        told = "|".join(map(re.escape, section(title)))
        known = re.compile(re.sub("<(metric|steering)>", f"({metrics})", told))
        assert paths, title
        for path in paths:
            is_csv = path.suffix == ".csv"
            columns = list(pd.read_csv(path).columns) if is_csv else parquet.read_schema(path).names
            for column in columns:
                assert known.fullmatch(column), f"{title}: {column}"


def test_the_composed_space_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compose = runpy.run_path(str(ROOT / "docs" / "spaces" / "compose.py"))
    space = compose["composed"]()
    assert len(space) == 3 + 2 * 3
    assert {trial.data.labels for trial in space} == {(0, 1, 2, 4, 5, 6, 7, 9, 3, 8)}
    assert compose["main"](["--plan", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "threes and eights 1:20: 9 trials, 0 done\n"
