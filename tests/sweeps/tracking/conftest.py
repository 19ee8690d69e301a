"""A result store beside an MLflow database in SQLite, and a client of its own on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking.connection import default_tracking_uri, import_mlflow
from sweeps.tracking.tracker import Tracker
from trainer.store import Store, SweepManifest


@pytest.fixture
def store(tmp_path: Path, database: Path) -> Store:
    """An empty store beside an MLflow database that already has its tables: creating them takes seconds."""
    (tmp_path / "mlflow.db").write_bytes(database.read_bytes())
    return Store(tmp_path)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database, made by the tracker itself."""
    folder = tmp_path_factory.mktemp("database")
    tracker = Tracker(None, Store(folder), SweepManifest("unused", ()))
    tracker.start()
    assert tracker.close() == 0
    return folder / "mlflow.db"


@pytest.fixture
def client(store: Store) -> Iterator[Any]:
    """An MLflow client of its own on the store's database."""
    client = import_mlflow().MlflowClient(default_tracking_uri(store))
    yield client
    client._tracking_client.store.engine.dispose()
