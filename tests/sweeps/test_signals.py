"""What of a batch system's signals is one request to end, and who does not hear them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sweeps import signals
from sweeps.signals import REPEAT_SECONDS, on_signals, unheard_by_children

ROOT = Path(__file__).resolve().parents[2]
WAITING = (
    "import sweeps.signals as s, time\n"
    "s.interrupt_on_signals()\n"
    "try:\n    print('up', flush=True); time.sleep(100)\n"
    "except KeyboardInterrupt: print('interrupted')\n"
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(signals, "_counted", [float("-inf")])
    monkeypatch.setattr("sweeps.signals.time.monotonic", lambda: now[0])
    return now


def test_a_signal_to_process_and_group_is_one(clock: list[float]) -> None:
    heard: list[int] = []
    with on_signals(lambda: heard.append(1)):
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert heard == [1]
        clock[0] += REPEAT_SECONDS
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [1, 1]


def test_ctrl_c_always_counts_and_what_a_wrapper_makes_of_it_does_not(clock: list[float]) -> None:
    heard: list[int] = []
    with on_signals(lambda: heard.append(1)):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert heard == [1, 1]


def test_children_hear_nothing_and_we_hear_it_afterwards(clock: list[float]) -> None:
    heard: list[int] = []
    with on_signals(lambda: heard.append(1)):
        with unheard_by_children():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as Ray does
            child = subprocess.Popen(["sleep", "100"])
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [1]
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
        child.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.kill()
    child.wait()


def test_one_that_reaches_another_thread_is_an_interrupt_all_the_same() -> None:
    """Ray's handler ends the program with the signal's number."""
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()

    def start() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        signal.pthread_kill(other.ident or 0, signal.SIGTERM)
        time.sleep(1)

    try:
        with pytest.raises(KeyboardInterrupt), unheard_by_children():
            start()
    finally:
        done.set()
        other.join()
    with pytest.raises(SystemExit), unheard_by_children():
        sys.exit(3)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU],
)
def test_a_command_takes_each_as_ctrl_c(number: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(number)
    assert child.communicate()[0] == "interrupted\n"
    assert child.returncode == 0


def test_a_hang_up_that_was_ignored_at_the_start_stays_ignored() -> None:
    child = subprocess.Popen(
        ["nohup", sys.executable, "-c", WAITING],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.send_signal(signal.SIGTERM)
    assert child.communicate()[0] == "interrupted\n"
