"""MLflow's database: created whole or not at all, and what is said of one that is damaged or refuses."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.errors import AlmsweepError, InputError
from sweeps.tracking.connection import DATABASE, checked_uri, default_tracking_uri
from sweeps.tracking.moved import artifact_uri, mend_database
from sweeps.tracking.reconcile import ReconcileCounts, reconcile
from sweeps.tracking.uris import sqlite_uri
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

MENDS = r"damaged: delete .*mlflow\.db, then `almsweep reconcile demo` writes it again"


@pytest.fixture
def output(tmp_path: Path) -> Store:
    """A sweep with one trial, without MLflow's database."""
    store = Store(tmp_path)
    synthetic.write_sweep(store, synthetic.trials())
    synthetic.write_trial(store, synthetic.trials()[0])
    return store


def test_who_dies_or_finds_the_disk_full_while_creating_it_leaves_no_half(
    output: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(output.storage.root)

    def full(uri: str) -> None:
        (folder / f".{DATABASE}.new").write_bytes(b"half")
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("sweeps.tracking.connection.create_tables", full)
        with pytest.raises(AlmsweepError, match="disk is full"):
            reconcile(output, synthetic.manifest())
    assert not list(folder.glob("*mlflow.db*new*"))
    assert not (folder / DATABASE).exists()
    # What a killed driver leaves: its own half, and of an earlier version an empty file with a journal.
    for name in (f".{DATABASE}.new", f".{DATABASE}.new-journal", f"{DATABASE}-journal"):
        (folder / name).write_bytes(b"half")
    (folder / DATABASE).touch()
    assert reconcile(output, synthetic.manifest()) == ReconcileCounts(created=1)
    assert not [path.name for path in folder.iterdir() if "new" in path.name or "journal" in path.name]


@pytest.mark.parametrize("damage", ["no database", "half made"])
def test_a_damaged_one_says_what_mends_it(output: Store, damage: str) -> None:
    path = Path(output.storage.root, DATABASE)
    if damage == "no database":
        path.write_bytes(b"damaged" * 1000)
    else:  # as a driver left it that died in the middle of MLflow's migrations
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("create table _alembic_tmp_experiments (name text)")
    with pytest.raises(AlmsweepError, match=MENDS):
        reconcile(output, synthetic.manifest())
    if damage == "no database":
        with pytest.raises(AlmsweepError, match=r"is damaged: .*delete it, then `almsweep reconcile`"):
            mend_database(sqlite_uri(path), artifact_uri(output.storage.root))


def test_what_is_lost_with_the_process_is_refused(output: Store, cli: Callable[..., Result]) -> None:
    for uri in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite:///:memory:"):
        with pytest.raises(InputError, match="expected a database in a file"):
            checked_uri(uri)
    done = cli("reconcile", "demo", "--output", output.uri, "--tracking-uri", "sqlite://")
    assert done.exit_code == 2, done.output


def test_a_folder_in_its_place_is_refused(output: Store) -> None:
    path = Path(output.storage.root, DATABASE)
    path.mkdir()
    with pytest.raises(InputError, match="expected MLflow's database, found a folder"):
        default_tracking_uri(output)
    with pytest.raises(InputError, match="is a folder"):
        checked_uri(f"sqlite:///{path}")


def test_a_server_of_a_database_that_refuses_is_told_at_once(
    output: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2", reason="needs the extra postgres")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # nobody listens
        port = bound.getsockname()[1]
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        with pytest.raises(AlmsweepError, match="refused"):
            reconcile(output, synthetic.manifest(), f"postgresql://u@127.0.0.1:{port}/mlflow")
    assert not slept, "nothing was tried again"
