"""Claims: of two sweeps of one output folder one trains a trial; dead drivers are in nobody's way."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune

from search_spaces.config import TrialConfig
from sweeps.driver import worker
from sweeps.driver.claim import Claimant
from sweeps.driver.lease import Lease
from sweeps.driver.worker import ELSEWHERE, WorkerOptions, train_trial
from tests.sweeps.synthetic_store import trials, write_trial
from trainer.options import TrialOptions
from trainer.store import Storage, Store, layout

TRIAL = "0123456789abcdef"


def test_a_trial_is_claimed_by_one_living_driver(store: Store) -> None:
    with Lease(store, "first") as lease, Lease(store, "second") as other:
        first, second = Claimant("first", lease.token), Claimant("second", other.token)
        assert first.claim(store, TRIAL) is None
        assert first.claim(store, TRIAL) is None, "a worker that was lost comes again"
        assert second.claim(store, TRIAL) == "first"
        second.release(store, TRIAL)
        assert second.claim(store, TRIAL) == "first", "nobody gives back what is another's"
        first.release(store, TRIAL)
        assert second.claim(store, TRIAL) is None


def test_a_driver_that_has_ended_is_in_nobodys_way(store: Store) -> None:
    with Lease(store, "killed") as lease:
        assert Claimant("killed", lease.token).claim(store, TRIAL) is None
    with Lease(store, "killed") as again, Lease(store, "other") as other:
        # The same sweep, run again, and another: the token is none that lives.
        assert Claimant("killed", again.token).claim(store, TRIAL) is None
        assert Claimant("other", other.token).claim(store, TRIAL) == "killed"
    assert Claimant("new", "token").claim(store, TRIAL) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"sweep": "../x", "token": 1}'])
def test_what_is_no_claim_claims_nothing(tmp_path: Path, content: bytes) -> None:
    store = Store(tmp_path)
    store.storage.write_bytes(layout.claim(TRIAL), content)
    assert Claimant("a", "token").claim(store, TRIAL) is None


def test_of_many_that_claim_together_one_gets_it(tmp_path: Path) -> None:
    store, got = Store(tmp_path), []
    names = [f"sweep-{number}" for number in range(8)]
    leases = [Lease(store, name) for name in names]
    for lease in leases:
        lease.__enter__()
    begin = threading.Barrier(len(names))

    def claim(lease: Lease) -> None:
        begin.wait()
        if Claimant(lease.name, lease.token).claim(Store(tmp_path), TRIAL) is None:
            got.append(lease.name)

    threads = [threading.Thread(target=claim, args=[lease]) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lease in leases:
        lease.__exit__(None, None, None)
    assert len(got) == 1


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a worker reports to Ray, which is not there."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", found.append)
    monkeypatch.setattr(worker, "is_given_up", lambda flag, trial_id: False)
    monkeypatch.setattr(worker, "StopQuestion", lambda flag: lambda: False)
    monkeypatch.setattr(worker, "CLAIM_SECONDS", 0.01)
    return found


def train(store: Store, config: TrialConfig, claimant: Claimant, *, waits: bool) -> None:
    options = WorkerOptions(store.uri, TrialOptions(), claimant=claimant, waits=waits)
    configs = {config.trial_id: config.model_dump_json()}
    train_trial({"trial_id": config.trial_id}, configs=configs, options=options, stop_flag=SimpleNamespace())


def test_a_worker_leaves_a_trial_that_another_sweep_trains(
    tmp_path: Path, reports: list[dict[str, Any]]
) -> None:
    store, config = Store(tmp_path), trials((1,))[0]
    with Lease(store, "first") as lease:
        Claimant("first", lease.token).claim(store, config.trial_id)
        train(store, config, Claimant("second", "token"), waits=False)
        assert [report["state"] for report in reports] == [ELSEWHERE]
        assert not store.replicates.ended(config.trial_id)


def test_a_worker_that_waits_trains_nothing_that_the_other_has_trained(
    tmp_path: Path, reports: list[dict[str, Any]]
) -> None:
    store, config = Store(tmp_path), trials((1,))[0]
    with Lease(store, "first") as lease:
        first = Claimant("first", lease.token)
        first.claim(store, config.trial_id)

        def finish() -> None:
            time.sleep(0.2)
            write_trial(store, config)
            first.release(store, config.trial_id)

        other = threading.Thread(target=finish)
        other.start()
        train(store, config, Claimant("second", "token"), waits=True)
        other.join()
    assert [report["state"] for report in reports] == ["done"]
    attempt = store.replicates.ended(config.trial_id)[1].attempt
    assert attempt == "0123abcd", "that of the other"
    assert not store.storage.exists(layout.claim(config.trial_id)), "given back"


def test_a_claim_costs_no_request_per_epoch(
    tmp_path: Path, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read before the first epoch and when it is given back, however many epochs there are."""
    store, config = Store(tmp_path), trials((1,))[0].model_copy(update={"epochs": 3})
    read, paths = Storage.read_bytes, []

    def watched(storage: Storage, relative: str, **given: int | None) -> bytes | None:
        paths.append(relative)
        return read(storage, relative, **given)

    monkeypatch.setattr(Storage, "read_bytes", watched)
    train(store, config, Claimant("sweep", "token"), waits=False)
    assert reports[-1]["state"] == "done"
    assert paths.count(layout.claim(config.trial_id)) == 2
