"""What ends a program from outside: Ctrl-C, signals of a batch system, HUP of a terminal that was lost.

Batch systems tell a job that its time is nearly over by TERM, or as asked for by USR1, USR2 or XCPU. They
often do so more than once, to a process and to its group (`timeout`), with a HUP (systemd), or after a Ctrl-C
that a wrapper passes on: within REPEAT_SECONDS it is the same request as the signal before it. A Ctrl-C
always counts. What but Ctrl-C and TERM was ignored when the program started, as HUP by nohup, stays ignored.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REPEAT_SECONDS = 5.0
# Those that a batch system or a service manager sends to every process of a job.
_TO_ALL = frozenset({signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU})
_ENDS = (signal.SIGINT, *sorted(_TO_ALL))
_NEVER_IGNORED = (signal.SIGINT, signal.SIGTERM)

# When the last signal that counted came, in seconds of the monotonic clock.
_counted = [float("-inf")]


def counts(number: int) -> bool:
    """Whether a signal that has just come is a request of its own; it is noted then."""
    now = time.monotonic()
    if number in _TO_ALL and now - _counted[0] < REPEAT_SECONDS:
        return False
    _counted[0] = now
    return True


def interrupt_on_signals() -> None:
    """From now on each of these signals raises KeyboardInterrupt in the main thread, as Ctrl-C does."""
    for number in _heard():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if counts(number):
        raise KeyboardInterrupt


@contextmanager
def on_signals(handle: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Call `handle` on each of these signals that counts, while the block runs.

    The block gets a function that takes the signals back from a library that has set handlers of its own.
    Signals reach the main thread only; elsewhere this does nothing.
    """
    if not _is_main():
        yield lambda: None
        return

    def answer(number: int, frame: FrameType | None) -> None:
        if counts(number):
            handle()

    former = {number: signal.getsignal(number) for number in _heard()}

    def listen() -> None:
        for number in former:
            signal.signal(number, answer)

    listen()
    try:
        yield listen
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Processes that the block starts, and theirs, get none of a job's signals: they end when we end them.

    This process gets those that come meanwhile at the end, by the handlers that it has now. One that reaches
    another thread, which does not block it, is answered by the handler that Ray has set by then, which ends
    the program with the signal's number: that is an interrupt.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_ALL)
    former: dict[int, Any] = {}
    if _is_main():
        former = {number: signal.getsignal(number) for number in _TO_ALL}
    try:
        yield
    except SystemExit as ended:
        if ended.code in _TO_ALL:
            raise KeyboardInterrupt from ended
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _heard() -> list[signal.Signals]:
    """The signals that end this program."""
    heard = []
    for number in _ENDS:
        if number in _NEVER_IGNORED or signal.getsignal(number) is not signal.SIG_IGN:
            heard.append(number)
    return heard


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
