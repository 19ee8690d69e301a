"""An MLflow server that hangs, or answers without end: results do not wait, and nothing grows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from search_spaces.errors import AlmsweepError
from sweeps.driver.opened import OpenedSweep
from sweeps.driver.run import SweepOutcome, run_sweep
from sweeps.options import RunOptions
from sweeps.tracking import reconcile as reconciling
from sweeps.tracking.reconcile import ReconcileCounts, reconcile, reconcile_in_time
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

Answer = Callable[[BaseHTTPRequestHandler, threading.Event], None]


@pytest.fixture
def output(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    synthetic.write_sweep(store, synthetic.trials())
    for config in synthetic.trials():
        synthetic.write_trial(store, config)
    return store


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of a server on loopback that answers like this; what hangs ends with it."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            try:
                answer(self, over)
            except OSError:  # the client has left
                return

        do_GET = do_POST = _answer

        def log_message(self, *words: object) -> None:
            """Nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        over.set()
        running.shutdown()
        running.server_close()
        thread.join()


def drips(request: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """A header that never ends."""
    while not over.wait(0.05):
        request.wfile.write(b"x")


def has_no_end(request: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """A body without end."""
    request.send_response(200)
    request.end_headers()
    while not over.is_set():
        request.wfile.write(b" " * 2**20)


def test_a_server_that_drips_is_let_go_of(output: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "GRACE_SECONDS", 0.2)
    with server(drips) as address, pytest.raises(AlmsweepError, match="did not answer within"):
        reconcile_in_time(output, synthetic.manifest(), address, 0.3)


def test_an_answer_without_end_is_cut(output: Store) -> None:
    with server(has_no_end) as address, pytest.raises(AlmsweepError, match="bytes and no end"):
        reconcile(output, synthetic.manifest(), address)


def test_trials_for_which_there_is_no_time_are_counted(output: Store) -> None:
    assert reconcile(output, synthetic.manifest(), seconds=-1.0) == ReconcileCounts(late=4)


def test_results_are_shown_before_mlflow_is_waited_for(
    output: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a run with nothing left to train."""
    events: list[str] = []

    def slow(*arguments: object) -> ReconcileCounts:
        events.append("MLflow")
        return ReconcileCounts(late=3)

    def show(outcome: SweepOutcome) -> None:
        events.append("results")

    monkeypatch.setattr(reconciling, "reconcile_in_time", slow)
    sweep = OpenedSweep(output, synthetic.manifest())
    outcome = run_sweep(sweep, RunOptions(), Console(quiet=True), show=show)
    assert events == ["results", "MLflow"]
    assert outcome.untracked == 3
