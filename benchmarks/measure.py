"""Measures rows in turns: every row's processes are alive, and one row at a time works.

A first turn warms up and is kept apart. Then each round lets every row train for a while, so that whatever
else the machine does meets all of them, and ratios are taken within a round. Only raw numbers come out.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.cases import Case, Row
from benchmarks.machine import EnergyMeter, load_average
from benchmarks.worker import Worker, WorkerError

log = logging.getLogger(__name__)


class Clock:
    """The time that a run may take."""

    def __init__(self, minutes: float | None) -> None:
        self.started = time.monotonic()
        self.seconds = None if minutes is None else 60 * minutes

    def is_up(self) -> bool:
        """Whether the run should come to its end."""
        return self.seconds is not None and time.monotonic() - self.started >= self.seconds


@dataclasses.dataclass
class Rules:
    """How much is measured: `pairs` rounds of turns of at least `seconds` and one epoch, or until the clock.

    An answer that takes longer than `patience` seconds ends its row.
    """

    pairs: int
    seconds: float
    clock: Clock
    meter: EnergyMeter
    patience: float = 1800.0


class LiveRow:
    """A row, its processes, and what was measured. A row that fails says why and is left out from then on."""

    def __init__(self, row: Row, stack: ExitStack) -> None:
        self.row = row
        self.failure: str | None = None
        self.warm_up: dict[str, Any] | None = None
        self.turns: list[dict[str, Any]] = []
        self.ends: list[dict[str, Any]] = []
        self.workers = [stack.enter_context(Worker(case.threads, row.environment)) for case in row.cases]

    def prepare(self) -> None:
        """Ask all processes to load and build."""
        for worker, case in zip(self.workers, self.row.cases, strict=True):
            worker.ask("prepare", case=dataclasses.asdict(case))

    def gather(self, patience: float) -> list[dict[str, Any]]:
        """The answers of all processes."""
        return [worker.answer(patience) for worker in self.workers]

    @property
    def warm_up_epochs(self) -> int:
        """The trainer captures a GPU's work in the third epoch at the latest."""
        case = self.row.cases[0]
        return 3 if case.kind == "ours" and case.device == "cuda" else 1

    def take_turn(self, rules: Rules, *, seconds: float, epochs: int) -> dict[str, Any]:
        """Train in all processes at once, then validate in all at once."""
        before = rules.meter.read()
        for worker in self.workers:
            worker.ask("turn", seconds=seconds, epochs=epochs)
        processes = self.gather(rules.patience)
        joules = rules.meter.since(before)
        for worker in self.workers:
            worker.ask("validate")
        validations = self.gather(rules.patience)
        return {
            "processes": processes,
            "validations": validations,
            "joules": joules,
            "load_average": load_average(),
        }

    def finish(self, rules: Rules) -> None:
        """Ask for memory and AUROC."""
        for worker in self.workers:
            worker.ask("finish", scores=False)
        self.ends = self.gather(rules.patience)

    def raw(self) -> dict[str, Any]:
        """Everything measured, as JSON holds it."""
        return {
            "row": self.row.name,
            "failure": self.failure,
            "replicates": self.row.replicates,
            "cases": [dataclasses.asdict(case) for case in self.row.cases],
            "environment": dict(self.row.environment),
            "warm_up": self.warm_up,
            "turns": self.turns,
            "ends": self.ends,
        }


def measure_rows(rows: Sequence[Row], rules: Rules) -> list[dict[str, Any]]:
    """The raw numbers of each row (see `LiveRow.raw`)."""
    with ExitStack() as stack:
        live = [LiveRow(row, stack) for row in rows]
        _attempt(live, LiveRow.prepare)
        _attempt(live, lambda one: one.gather(rules.patience))
        for number in range(rules.pairs + 1):
            if number > 1 and rules.clock.is_up():
                log.warning("time is up after %d of %d rounds", number - 1, rules.pairs)
                break
            _attempt(live, partial(_turn, rules=rules, number=number))
        _attempt(live, lambda one: one.finish(rules))
        return [one.raw() for one in live]


def _turn(one: LiveRow, rules: Rules, number: int) -> None:
    """Round `number`; round 0 is the warm-up."""
    if number:
        turn = one.take_turn(rules, seconds=rules.seconds, epochs=1)
        one.turns.append(turn)
    else:
        turn = one.warm_up = one.take_turn(rules, seconds=0.0, epochs=one.warm_up_epochs)
    took = max(p["end"] for p in turn["processes"]) - min(p["start"] for p in turn["processes"])
    images = sum(p["train_images"] for p in turn["processes"])
    label = f"round {number}" if number else "warm-up"
    log.info("%-28s %-8s %8d images in %7.2f s", one.row.name, label, images, took)


def _attempt(live: Sequence[LiveRow], step: Callable[[LiveRow], object]) -> None:
    """Take a step with every row that has not failed; a failure ends its row alone."""
    for one in live:
        if one.failure is None:
            try:
                step(one)
            except WorkerError as error:
                one.failure = str(error)
                log.warning("%s failed: %s", one.row.name, error)


def run_epochs(
    cases: Sequence[Case], epochs: int, *, scores: bool, patience: float
) -> Iterator[dict[str, Any]]:
    """Train cases of equal threads for so many epochs, one after the other in a process of their own.

    Yields the `finish` answer of each. Nothing is timed. Raises WorkerError.
    """
    with Worker(cases[0].threads) as worker:
        for case in cases:
            worker.ask("prepare", case=dataclasses.asdict(case))
            worker.answer(patience)
            worker.ask("turn", seconds=0.0, epochs=epochs)
            worker.answer(patience * max(1, epochs))
            worker.ask("finish", scores=scores)
            yield worker.answer(patience)


def measure_matmul(device: str, precision: str, threads: int, *, size: int, seconds: float) -> float:
    """The device's matrix rate in FLOP/s, in a process of its own. Raises WorkerError."""
    with Worker(threads) as worker:
        worker.ask("matmul", device=device, precision=precision, size=size, seconds=seconds)
        return float(worker.answer(600)["flop_per_second"])
