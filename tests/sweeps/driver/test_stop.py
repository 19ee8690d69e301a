"""Stopping on a signal: once to finish, twice to leave."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search_spaces.errors import InputError
from sweeps.cluster.software import software
from sweeps.driver.stop import stop_on_signal
from sweeps.driver.watchdog import Watchdog
from sweeps.driver.worker import WorkerOptions, _check_software, _train
from tests.sweeps.synthetic_store import trials
from trainer.options import TrialOptions
from trainer.store import StopRequest, Store
from trainer.trial import StopTrial


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_first_signal_asks_second_one_interrupts(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.signals.REPEAT_SECONDS", 0.0)
    before = signal.getsignal(number)
    asked: list[int] = []
    with stop_on_signal(lambda: asked.append(1)):
        os.kill(os.getpid(), number)
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert asked == [1]
    assert signal.getsignal(number) is before


def test_elsewhere_than_in_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def run() -> None:
        with stop_on_signal(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_node_with_other_software_trains_nothing() -> None:
    _check_software(None)
    _check_software(software())
    with pytest.raises(
        InputError, match=f"{socket.gethostname()}.* has torch .*, the driver on its host has 9"
    ):
        _check_software({**software(), "torch": "9"})


def test_a_request_of_an_earlier_run_stops_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, config = Store(tmp_path), trials()[0]
    store.notes.request_stop(config.trial_id, StopRequest("asha of an earlier run", "val/auroc"))
    seen: list[StopRequest | None] = []

    def run_trial(*arguments: Any) -> dict[int, str]:
        seen.append(store.notes.stop_request(config.trial_id))
        return dict.fromkeys(config.seeds, "completed")

    monkeypatch.setattr("trainer.trial.run_trial", run_trial)
    options = WorkerOptions(str(tmp_path), TrialOptions(), stoppable=True)
    unused: Any = None
    watchdog = Watchdog(lambda limit: None)
    assert _train(config, store, options, unused, watchdog, unused) == "done"
    assert seen == [None]


def test_a_request_reaches_the_trial_with_its_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, config = Store(tmp_path), trials()[0]
    request = StopRequest("asha: behind", "val/fpr_at_tpr_98")
    met: list[StopRequest] = []

    def run_trial(config: Any, store: Store, device: Any, options: Any, on_round: Any, *rest: Any) -> Any:
        store.notes.request_stop(config.trial_id, request)
        try:
            on_round(None)
        except StopTrial as stop:
            met.append(StopRequest(str(stop), stop.metric))
        return {1: "pruned"}

    monkeypatch.setattr("trainer.trial.run_trial", run_trial)
    options = WorkerOptions(str(tmp_path), TrialOptions(), stoppable=True)
    reporter: Any = SimpleNamespace(add=lambda round_: None)
    unused: Any = None
    assert _train(config, store, options, reporter, Watchdog(lambda limit: None), unused) == "pruned"
    assert met == [request]
    assert store.notes.stop_request(config.trial_id) is None, "it is met"
