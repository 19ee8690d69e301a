"""MLflow's database and artifacts lie in the output folder, whatever its name and wherever it was moved."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking.connection import checked_uri, default_tracking_uri, import_mlflow
from sweeps.tracking.moved import artifact_uri, mend_database
from sweeps.tracking.reconcile import ReconcileCounts
from sweeps.tracking.uris import sqlite_path, sqlite_uri
from tests.sweeps import synthetic_store as synthetic
from tests.sweeps.tracking.shown import bring_level, runs_of, track
from trainer.store import Store

CONFIGS = synthetic.trials()[:2]
NAMES = ["a b", "ü", "out#1", "out%20x", "100%", "out?x", "a?b=c&d", "x\ny"]


def done_sweep(output: Path, database: Path) -> Store:
    """A sweep that is done in an output folder that has an MLflow database with tables already."""
    output.mkdir()
    (output / "mlflow.db").write_bytes(database.read_bytes())
    store = Store(output)
    synthetic.write_sweep(store, CONFIGS)
    for config in CONFIGS:
        synthetic.write_trial(store, config)
    return store


@contextmanager
def connected(uri: str) -> Iterator[Any]:
    client = import_mlflow().MlflowClient(uri)
    yield client
    client._tracking_client.store.engine.dispose()


def check_artifacts(uri: str, output: Path) -> None:
    """MLflow's own client finds every run's artifacts, and they lie in the output folder."""
    with connected(uri) as client:
        runs = runs_of(client)
        assert len(runs) == len(CONFIGS)
        for run in runs:
            names = [artifact.path for artifact in client.list_artifacts(run.info.run_id)]
            assert names == ["replicates.json", "roc.svg"]
            assert (output / "mlartifacts" / run.info.run_id / "artifacts" / "roc.svg").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_lies_in_a_folder_of_any_name(
    tmp_path: Path, database: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = done_sweep(tmp_path / name, database)
    assert bring_level(store) == ReconcileCounts(created=2)
    check_artifacts(default_tracking_uri(store), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", [*NAMES, "plain", "sqlite:///x"])
def test_a_databases_uri_names_its_file(name: str) -> None:
    assert sqlite_path(sqlite_uri(f"/top/{name}/mlflow.db")) == Path(f"/top/{name}/mlflow.db")


def test_a_moved_folder_keeps_its_artifacts_and_gets_new_ones(tmp_path: Path, database: Path) -> None:
    before = done_sweep(tmp_path / "before", database)
    bring_level(before)
    moved = tmp_path / "moved %41"
    (tmp_path / "before").rename(moved)
    store, later = Store(moved), synthetic.trials()[2]
    assert bring_level(store) == ReconcileCounts(unchanged=2)
    check_artifacts(default_tracking_uri(store), moved)
    synthetic.write_trial(store, later)
    assert track(store, lambda tracker: tracker.trial_finished(later)) == 0
    assert len(list((moved / "mlartifacts").iterdir())) == 3
    assert not (tmp_path / "before").exists()


def test_a_copy_has_its_own_artifacts(tmp_path: Path, database: Path) -> None:
    first = done_sweep(tmp_path / "first", database)
    bring_level(first)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    assert bring_level(copy) == ReconcileCounts(unchanged=2)
    for store in (first, copy):
        with connected(default_tracking_uri(store)) as client:
            for run in runs_of(client):
                assert run.info.artifact_uri.startswith(artifact_uri(store.storage.root) + "/")


def test_the_ui_mends_what_it_may(tmp_path: Path, database: Path, caplog: pytest.LogCaptureFixture) -> None:
    bring_level(done_sweep(tmp_path / "before", database))
    moved = tmp_path / "moved"
    (tmp_path / "before").rename(moved)
    uri = default_tracking_uri(Store(moved))
    mend_database(uri, artifact_uri(moved))
    check_artifacts(uri, moved)
    with closing(sqlite3.connect(moved / "mlflow.db")) as other:  # who writes, and keeps us from it
        other.execute("begin exclusive")
        mend_database(f"{uri}?timeout=0.1", artifact_uri(tmp_path / "elsewhere"))
    assert "could not be brought up to date" in caplog.text


def test_a_database_elsewhere_follows_a_folder_that_moved_but_no_copy(tmp_path: Path, database: Path) -> None:
    shared = tmp_path / "shared.db"
    shared.write_bytes(database.read_bytes())
    first = done_sweep(tmp_path / "first", database)
    uri = sqlite_uri(shared)
    bring_level(first, uri)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    bring_level(Store(tmp_path / "copy"), uri)
    check_artifacts(uri, tmp_path / "first")
    shutil.rmtree(tmp_path / "copy")
    (tmp_path / "first").rename(tmp_path / "moved")
    bring_level(Store(tmp_path / "moved"), uri)
    check_artifacts(uri, tmp_path / "moved")


def test_artifacts_that_are_gone_or_were_written_beside_the_folder_come_back(
    tmp_path: Path, database: Path
) -> None:
    """An earlier version wrote the artifacts of `out#1` into `out`, and told MLflow so."""
    store = done_sweep(tmp_path / "out#1", database)
    bring_level(store)
    output = tmp_path / "out#1"
    shutil.rmtree(output / "mlartifacts")
    with sqlite3.connect(output / "mlflow.db") as connection:
        was = f"file://{output}/mlartifacts"
        connection.execute(
            "UPDATE experiments SET artifact_location = ? WHERE name = ?", (was, synthetic.SWEEP)
        )
        connection.execute("UPDATE runs SET artifact_uri = ? || '/' || run_uuid || '/artifacts'", (was,))
    connection.close()
    assert bring_level(store) == ReconcileCounts(updated=2)
    check_artifacts(default_tracking_uri(store), output)
    assert bring_level(store) == ReconcileCounts(unchanged=2)


def test_a_database_is_given_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of `ui` stands in another folder than whoever gave the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for given in ("sqlite:///x.db", "sqlite:///./x.db", "sqlite:///~/x.db", f"sqlite:///{tmp_path}/x.db"):
        assert checked_uri(given) == f"sqlite:///{os.path.join(tmp_path, 'x.db')}"
    for other in ("http://host:5000", "postgresql+psycopg2://host/db"):
        assert checked_uri(other) == other
