"""Names stay names: of sweeps, trials, data sets and files in markers, none leads out of its folder."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from pydantic import ValidationError

from analysis.tables import write_tables
from search_spaces.config import Binary, ImageFolder, MedMnist, TrialConfig
from search_spaces.errors import DamagedError, DataError, InputError, SpaceError, StoreError
from search_spaces.space import SearchSpace
from search_spaces.yaml.space import read_space
from sweeps.search.study import SearchStudy
from sweeps.tracking.connection import creation_lock, default_tracking_uri
from tests.sweeps import synthetic_store as synthetic
from trainer.data.sources.read import read_source
from trainer.data.task import load_task
from trainer.store import Store, SweepManifest

InProcess = Callable[..., Result]
NAMES = [
    *("../x", "..", ".", "/etc/passwd", "a/b", "a\\b", "~", "~root", "$HOME", "-rf", ".hidden", "", " "),
    *("a\0b", "a\n", "a\nb", "\na", "a b", "a;b", "a|b", "a`b`", "a*", "ä", "a\u202eb", "con:", "x" * 200),
]
# Of these no folder of images may be called.
LEADS_AWAY = ("../x", "..", ".", "/etc/passwd", "~", "")


@pytest.mark.parametrize("name", NAMES)
def test_space_with_such_a_name_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    text = f"name: {json.dumps(name)}\nfixed: {{dataset: digits}}\ngrid: {{loss: [baseline_BCE]}}\n"
    path.write_text(text)
    with pytest.raises(SpaceError) as refused:
        read_space(path)
    assert str(refused.value).startswith(f"{path}: name: expected letters, digits")
    assert "\n" not in str(refused.value)
    with pytest.raises(SpaceError):
        SearchSpace.of(name, [{"dataset": "digits", "loss": "baseline_BCE"}])


@pytest.mark.parametrize("name", [name for name in NAMES if len(name) < 100])
def test_store_writes_and_reads_no_such_sweep(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "x.json"
    secret.write_text(json.dumps({"schema": 1, "name": "x", "trials": []}))
    store = Store(tmp_path / "output")
    with pytest.raises(InputError, match="sweep name: expected"):
        store.write_sweep(SweepManifest(name, ()))
    with pytest.raises(InputError, match="no sweep"):
        store.read_sweep(name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.json"]


def test_files_with_such_names_are_no_sweeps(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_sweep(SweepManifest("good", ()))
    for name in ("a\nb.json", "\x1b[2J.json", ".hidden.json", "a b.json"):
        shutil.copy(tmp_path / "sweeps" / "good.json", tmp_path / "sweeps" / name)
    assert store.sweep_names() == ["good"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "x" * 200])
def test_published_data_sets_with_such_names_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        MedMnist(subset=name)


@pytest.mark.parametrize("name", NAMES)
def test_folders_of_images_lie_below_the_data_directory(name: str, tmp_path: Path) -> None:
    """Whatever they are called: nothing is expanded, and nothing leads away or commands a terminal."""
    try:
        source = ImageFolder(folder=name)
    except ValidationError:
        assert name in LEADS_AWAY or any(ord(character) < 32 or character == "\u202e" for character in name)
        return
    assert name not in LEADS_AWAY
    folder = tmp_path / "data" / name
    assert Path(os.path.normpath(folder)).is_relative_to(tmp_path / "data")
    with pytest.raises(DataError, match=re.escape(f"expected a folder {folder}")):
        read_source(source, ("benign",), tmp_path / "data", download=False)


@pytest.mark.parametrize("label", ["../secret", "/etc", "..", ".", "a/../../secret", "secret\0", "benign/.."])
def test_class_labels_are_folders_of_the_data_set_only(label: str, tmp_path: Path) -> None:
    from PIL import Image

    for folder in ("scans/benign", "scans/malignant", "secret"):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(3):
            Image.new("L", (8, 8), i).save(tmp_path / folder / f"{i}.png")
    config = Binary(
        source=ImageFolder(folder="scans", size=8, channels=1),
        negative=("benign",),
        positive=(label,),
        validation_per_class=1,
        test_per_class=1,
    )
    with pytest.raises(DataError, match="class"):
        load_task(config, tmp_path)


def hostile_marker(store: Store, config: TrialConfig, name: str) -> None:
    """A DONE marker that lists its weights under this name."""
    synthetic.write_replicate(store, config, 1)
    relative = f"trials/{config.trial_id}/replicates/1/DONE"
    content = json.loads(store.storage.read_bytes(relative) or b"")
    content["files"]["weights"] = {"name": name, "sha256": "0" * 64, "bytes": 1}
    store.storage.write_json(relative, content)


@pytest.mark.parametrize(
    "name", ["../../../../../precious", "/precious", "a/../b", "..", "", ".x", "a\0", 7, None]
)
def test_marker_that_names_a_file_elsewhere_is_damaged(name: str, tmp_path: Path) -> None:
    """Weights that are not kept are deleted: a marker must not say which file that is."""
    store, config = Store(tmp_path / "output"), synthetic.trials()[0]
    precious = tmp_path / "precious"
    precious.write_text("thesis")
    hostile_marker(store, config, name)
    with pytest.raises(DamagedError, match="expected names of files beside the DONE marker"):
        store.replicates.read_done(config.trial_id, 1, "completed")
    assert store.replicates.ended(config.trial_id) == {}
    assert store.all_replicates() == {}
    assert precious.read_text() == "thesis"


def test_index_entry_that_names_a_file_elsewhere_is_damaged(tmp_path: Path) -> None:
    store, config = Store(tmp_path), synthetic.trials(seeds=(1,))[0]
    synthetic.write_trial(store, config)
    store.index.write(config.trial_id)
    (path,) = store.storage.list_files("index", recursive=True)
    content = json.loads(store.storage.read_bytes(path) or b"")
    content["replicates"]["1"]["files"]["scores"]["name"] = "../../x"
    del content["sha256"]
    store.storage.write_json(path, content)
    (done,) = store.all_replicates({config.trial_id: config.seeds})[config.trial_id].values()
    assert done.files["scores"].name == "scores.0123abcd.parquet", "the marker's own"


def test_links_in_the_place_of_files_are_replaced_not_followed(tmp_path: Path) -> None:
    """Who may write to the output folder makes nobody overwrite a file elsewhere."""
    store, config = Store(tmp_path / "output"), synthetic.trials(seeds=(1,))[0]
    precious = tmp_path / "precious"
    precious.write_text("thesis")
    places = ["sweeps/demo.json", f"trials/{config.trial_id}/config.json", "tables/demo/best.csv"]
    places += [f"trials/{config.trial_id}/failure.json", f"trials/{config.trial_id}/checkpoint.pt"]
    for place in places:
        link = tmp_path / "output" / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(precious)
    synthetic.write_sweep(store, [config])
    synthetic.write_trial(store, config)
    store.notes.write_failure(config.trial_id, synthetic.failure())
    store.notes.write_checkpoint(config.trial_id, b"state")
    write_tables(store, store.read_sweep("demo"), tmp_path / "output" / "tables" / "demo")
    for place in places:
        assert not (tmp_path / "output" / place).is_symlink(), place
    assert precious.read_text() == "thesis"


def test_links_in_the_place_of_folders_are_not_followed(tmp_path: Path, cli: InProcess) -> None:
    """Nothing is written to, or deleted from, a folder to which a link in the output leads."""
    store, config = Store(tmp_path / "output"), synthetic.trials(seeds=(1,))[0]
    synthetic.write_sweep(store, [config])
    synthetic.write_trial(store, config)
    trial = f"trials/{config.trial_id}"
    writes = {
        trial: lambda: store.notes.write_checkpoint(config.trial_id, b"state"),
        f"{trial}/replicates": lambda: synthetic.write_trial(store, config),
        "sweeps": lambda: synthetic.write_sweep(store, [config]),
        f"index/{config.trial_id}": lambda: store.index.write(config.trial_id),
    }
    deletes = {
        trial: lambda: store.notes.delete_checkpoint(config.trial_id),
        "again": lambda: store.storage.delete_folder("again"),
        "again/demo": lambda: store.storage.delete_folder("again/demo"),
    }
    for place, call in [*writes.items(), *deletes.items()]:
        elsewhere, before = _moved_behind_a_link(tmp_path, place)
        with pytest.raises(StoreError, match="expected a folder, found a link, which is not followed"):
            call()
        assert _contents(elsewhere) == before, place
        _moved_back(tmp_path, place)
    for place in ("tables/demo", "tables", "figures/demo"):
        elsewhere, before = _moved_behind_a_link(tmp_path, place)
        done = cli("tables", "demo", "--output", tmp_path / "output")
        assert (done.exit_code, _contents(elsewhere)) == (3, before), place
        assert "found a link, which is not followed" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        _moved_back(tmp_path, place)


def _moved_behind_a_link(folder: Path, place: str) -> tuple[Path, dict[str, bytes]]:
    """Put a link in the place of a folder, which moves elsewhere; returns where that is and its files."""
    there = folder / "output" / place
    there.mkdir(parents=True, exist_ok=True)
    elsewhere = folder / "elsewhere"
    there.rename(elsewhere)
    (elsewhere / "checkpoint.pt").write_text("thesis")
    there.symlink_to(elsewhere)
    return elsewhere, _contents(elsewhere)


def _moved_back(folder: Path, place: str) -> None:
    (folder / "output" / place).unlink()
    (folder / "elsewhere").rename(folder / "output" / place)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_database_in_the_output_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").symlink_to(tmp_path / "precious.db")
    with pytest.raises(InputError, match=r"mlflow\.db: expected MLflow's database, found a link"):
        default_tracking_uri(Store(tmp_path))


def test_the_output_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "output").symlink_to(tmp_path / "disk")
    synthetic.write_sweep(Store(tmp_path / "output"), synthetic.trials())
    assert (tmp_path / "disk" / "sweeps" / "demo.json").is_file()


def test_lock_beside_the_database_is_no_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("thesis")
    (tmp_path / ".mlflow.db.lock").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"), creation_lock(f"sqlite:///{tmp_path}/mlflow.db"):
        pass
    assert precious.read_text() == "thesis"


def test_study_of_a_search_with_such_a_name_is_refused(tmp_path: Path) -> None:
    space = tmp_path / "s.yaml"
    space.write_text(
        "fixed: {dataset: digits}\nsearch: {samples: 1, domains: {loss: {choice: [baseline_BCE]}}}\n"
    )
    search = read_space(space).search
    assert search is not None
    with pytest.raises(StoreError, match="expected a path below the store"):
        SearchStudy(Store(tmp_path / "output"), "../../escape", search, 1).suggest()
    assert not (tmp_path / "escape").exists()
