"""Processes that work beside this one: what takes long and stands by itself is given to them.

Each runs this module, and is sent functions with their arguments over its pipes, as `multiprocessing` does;
unlike there, none runs the main program's file again. What a process could not do, as it was killed or its
function raised an error, is done here: the same error comes as without them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from trainer.interpreter import start_module
from trainer.limits import allowed_cpus

T = TypeVar("T")

MOST = 8


class Crew:
    """So many processes, which end with the block; each is started when it has work, or is asked to be ready.

    A crew of none does everything here, one after the other.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._idle: queue.SimpleQueue[_Member] = queue.SimpleQueue()
        self._members = [_Member() for _ in range(size)]
        self._starting: list[threading.Thread] = []
        for member in self._members:
            self._idle.put(member)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.end()
        for thread in self._starting:
            thread.join()
        for member in self._members:
            member.close()

    def be_ready(self, *modules: str) -> None:
        """Start the processes, which import these modules, without waiting for them."""
        for _ in self._members:
            thread = threading.Thread(target=self._ask, args=(partial(_import, modules),), daemon=True)
            thread.start()
            self._starting.append(thread)

    def map(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """What these calls return, in their order. Raises what they raise.

        Processes begin with the first of `calls` while others are still to come, and all are asked for before
        this returns; a crew of none does each when it is its turn.

        They and what they return are copied from process to process: they should hold no more than is needed.
        One that cannot be copied is done here.
        """
        if not self.size:
            return (call() for call in calls)
        pool, asked = ThreadPoolExecutor(max_workers=self.size), []
        try:
            for call in calls:
                asked.append((call, pool.submit(self._ask, call)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return _answers(pool, asked)

    def _ask(self, call: Callable[[], T]) -> tuple[bool, Any]:
        member = self._idle.get()
        try:
            return member.ask(call)
        finally:
            self._idle.put(member)


# Nobody beside this process.
ALONE = Crew(0)


def _answers(
    pool: ThreadPoolExecutor, asked: Sequence[tuple[Callable[[], T], Future[tuple[bool, Any]]]]
) -> Iterator[T]:
    try:
        for call, answer in asked:
            is_done, value = answer.result()
            yield value if is_done else call()
    finally:
        pool.shutdown(cancel_futures=True)


def shares(pieces: Sequence[T], size: int) -> list[Sequence[T]]:
    """Neighbouring pieces of about equal number, for each of a crew of this size; all of them for none.

    >>> shares([1, 2, 3, 4, 5], 2)
    [[1, 2, 3], [4, 5]]
    """
    number = -(-len(pieces) // max(size, 1)) or 1
    return [pieces[start : start + number] for start in range(0, len(pieces), number)]


def crew_for(pieces: int) -> Crew:
    """A crew for so many pieces of work of some tenths of a second: as many as CPUs may be used.

    Of few pieces none, as starting takes longer; neither where there is one CPU.
    """
    cpus = allowed_cpus()
    return Crew(min(cpus, MOST) if cpus > 1 and pieces >= 12 else 0)


class _Member:
    """One process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: Any = None
        self._lock = threading.Lock()
        self._is_lost = False

    def ask(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Whether the process did it, and what came of it."""
        if self._is_lost:
            return False, None
        try:
            if self._process is None:
                self._start()
            self._sent.send(call)
        except OSError:
            self._is_lost = True
            return False, None
        except Exception:  # what cannot be copied raises errors of all kinds
            return False, None
        try:
            answer: tuple[bool, Any] = self._heard.recv()
        except (EOFError, OSError):
            self._is_lost = True
            return False, None
        return answer

    def _start(self) -> None:
        with self._lock:
            if self._is_lost:
                raise OSError("the block has ended")
            self._process = start_module(
                "analysis.crew",
                {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for this process, which ends the other
            )
            self._sent = Connection(os.dup(self._process.stdin.fileno()), readable=False)
            self._heard = Connection(os.dup(self._process.stdout.fileno()), writable=False)

    def end(self) -> None:
        """End the process, whatever it does: nobody waits for it any more. None is started from now on."""
        with self._lock:
            self._is_lost = True
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes of a process that has ended, when nobody reads them any more."""
        if self._process is None:
            return
        for stream in (self._process.stdin, self._process.stdout, self._sent, self._heard):
            with contextlib.suppress(OSError):
                stream.close()


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        import_module(name)


def main() -> None:
    """Do what is asked for until nobody asks any more."""
    heard = Connection(os.dup(0), writable=False)
    sent = Connection(os.dup(1), readable=False)
    os.dup2(2, 1)  # what a library prints is no answer
    sys.stdout = sys.stderr
    while True:
        try:
            call = heard.recv()
        except EOFError:
            return
        except Exception:  # a function that is not to be found here
            sent.send((False, None))
            continue
        try:
            answer = True, call()
        except Exception:  # whoever asked does it again, and has the error
            answer = False, None
        sent.send(answer)


if __name__ == "__main__":
    main()
