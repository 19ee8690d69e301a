"""`almsweep ui`: errors for what it cannot serve, and no process left behind."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from search_spaces.errors import InputError
from sweeps.tracking.connection import import_mlflow
from sweeps.tracking.tracker import Tracker
from sweeps.tracking.ui import free_port, running_ui
from tests.processes import PATIENCE, wait_until
from tests.sweeps import synthetic_store as synthetic
from tests.sweeps.tracking.shown import bring_level, runs_of
from trainer.store import Store, SweepManifest


def test_missing_database_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mlflow\.db"), running_ui(tmp_path, port=free_port()):
        pytest.fail("a server came up without a database")


def test_server_uri_is_the_users_error(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="open it in a browser"),
        running_ui(tmp_path, "http://name:secret@host:5000"),
    ):
        pytest.fail("a server came up on a server")


def test_taken_port_is_the_users_error(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE experiments (experiment_id, artifact_location)")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port.*{port}"), running_ui(tmp_path, port=port):
            pytest.fail("a server came up on a taken port")


@pytest.mark.group(name="tracking")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_without_leaving_processes(tmp_path: Path, number: int) -> None:
    tracker = Tracker(None, Store(tmp_path), SweepManifest("demo", ()))
    tracker.start()
    assert tracker.close() == 0
    port = free_port()
    code = f"from sweeps.tracking.ui import serve; serve({str(tmp_path)!r}, port={port})"
    child = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    with child.stdout as output:
        assert f"sweep demo: http://127.0.0.1:{port}/#/experiments/" in output.readline()
        assert f"all of MLflow: http://127.0.0.1:{port} " in output.readline()
        family = psutil.Process(child.pid).children(recursive=True)
        assert family
        os.kill(child.pid, number)
        assert child.wait(PATIENCE) == 0
        assert "ended" in output.read()
    wait_until("its processes end", lambda: not any(is_alive(process) for process in family))


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.group(name="tracking")
def test_shows_the_artifacts_of_a_folder_of_any_name_that_was_moved(tmp_path: Path) -> None:
    store, config = Store(tmp_path / "before"), synthetic.trials()[0]
    synthetic.write_sweep(store, [config])
    synthetic.write_trial(store, config)
    bring_level(store)
    moved = tmp_path / "out#1 50% or so?"
    (tmp_path / "before").rename(moved)
    port = free_port()
    with running_ui(moved, port=port):
        client = import_mlflow().MlflowClient(f"http://127.0.0.1:{port}")
        (run,) = runs_of(client)
        address = f"http://127.0.0.1:{port}/get-artifact?path=roc.svg&run_uuid={run.info.run_id}"
        with urllib.request.urlopen(address, timeout=PATIENCE) as reply:
            assert reply.read().startswith(b"<svg")
    assert [path.name for path in tmp_path.iterdir()] == [moved.name]
