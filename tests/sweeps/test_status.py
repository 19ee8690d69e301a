"""`status`: what runs, and who runs it."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from click.testing import Result

from search_spaces.labels import trial_label
from sweeps.driver.lease import Lease
from sweeps.driver.progress import SweepProgress
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

Cli = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    synthetic.write_sweep(found, synthetic.trials())
    return found


def test_running_trials_and_their_driver(cli: Cli, store: Store) -> None:
    first, second, *_ = synthetic.trials()
    progress = SweepProgress(total=4, done=0, failed=0, to_run=4)
    progress.started(first)
    progress.started(second)
    progress.epoch(first, 2, 0.8)
    lease = Lease(store, "demo")
    lease.under_way = progress.under_way
    with lease:
        said = cli("status", "demo", "--output", store.uri).stdout
    me = f"process {os.getpid()} on {socket.gethostname()}"
    assert re.search(
        rf"^driver: {re.escape(me)}, since \d{{4}}-\d\d-\d\d \d\d:\d\d \(.+\), told this ", said, re.M
    )
    for config, epoch in ((first, 3), (second, 0)):
        line = f"  running  {config.trial_id}  epoch {epoch}/{config.epochs}  {trial_label(config)}"
        assert line in said.splitlines()
    progress.ended(first)
    assert list(progress.under_way()) == [second.trial_id]
    # Without a driver nothing runs.
    said = cli("status", "demo", "--output", store.uri).stdout
    assert "driver" not in said
    assert "running" not in said


def test_a_driver_that_was_killed_runs_nothing(cli: Cli, store: Store) -> None:
    process = psutil.Process()
    holder = {
        "token": "x",
        "host": socket.gethostname(),
        "pid": process.pid,
        "started": process.create_time() - 1000,  # another process with this number
        "heartbeat": time.time() - 5,
        "under_way": {synthetic.trials()[0].trial_id: [1, 20]},
    }
    store.storage.write_json("sweeps/demo.lease", holder)
    said = cli("status", "--output", store.uri).stdout
    assert f"no driver: process {process.pid} on {socket.gethostname()} is gone" in said
    assert "running" not in said
