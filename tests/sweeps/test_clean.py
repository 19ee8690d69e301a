"""`clean`: what killed runs left goes, and nothing that counts or that a run is writing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from sweeps.driver.claim import Claimant
from sweeps.driver.lease import Lease
from tests.sweeps.synthetic_store import SWEEP, trials, write_sweep, write_trial
from trainer.store import Store, layout
from trainer.store.leftovers import OLD_SECONDS

Cli = Callable[..., Result]


@pytest.fixture
def output(tmp_path: Path) -> Store:
    store = Store(tmp_path / "out")
    write_sweep(store, trials())
    for config in trials():
        write_trial(store, config)
        store.index.write(config.trial_id)
    return store


def leave(store: Store, relative: str, seconds: float = 2 * OLD_SECONDS) -> Path:
    """A file of some age."""
    path = Path(store.storage.root, relative)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def lost(trial_id: str, kind: str = "scores.ffffffff.parquet") -> str:
    return layout.replicate_file(trial_id, 1, kind)


def test_what_nothing_refers_to_goes(output: Store, cli: Cli) -> None:
    trial_id = trials()[0].trial_id
    for path in Path(output.storage.root).rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))
    before = sorted(path for path in Path(output.storage.root).rglob("*") if path.is_file())
    left = [
        leave(output, f"sweeps/{SWEEP}.json.0a1b2c3d.tmp"),
        leave(output, f"{layout.checkpoint(trial_id)}.0a1b2c3d.tmp"),
        leave(output, lost(trial_id)),
        leave(output, lost(trial_id, "weights.ffffffff.pt")),
    ]
    done = cli("clean", "--output", output.uri)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == "removed 2 temporary files and 2 files of attempts that do not count: 16 B"
    assert not any(path.exists() for path in left)
    assert sorted(path for path in Path(output.storage.root).rglob("*") if path.is_file()) == before


def test_what_is_being_written_and_what_is_not_ours_stays(output: Store, cli: Cli) -> None:
    first, second, third = (config.trial_id for config in trials()[:3])
    output.storage.write_bytes(layout.marker(third, 1, "completed"), b"damaged")
    with Lease(output, "live") as lease:
        Claimant("live", lease.token).claim(output, second)
        stays = [
            leave(output, lost(first), seconds=OLD_SECONDS / 2),
            leave(output, f"sweeps/{SWEEP}.json.0a1b2c3d.tmp", seconds=OLD_SECONDS / 2),
            leave(output, lost(second)),  # of a trial that is trained just now
            leave(output, lost(third)),  # which files count is not known
            leave(output, "notes.0a1b2c3d.tmp"),
            leave(output, lost(first, "my notes.txt")),
        ]
        done = cli("clean", "--output", output.uri)
    assert done.stdout.startswith("removed 0 temporary files and 0 files")
    assert all(path.exists() for path in stays)
