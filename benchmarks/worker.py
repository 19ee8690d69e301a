"""A process that measures on request: one JSON object per line in, one per line out.

Every contestant has a process of its own, so that its peak memory, its threads and its library settings are
its own too. The processes of a comparison live side by side and take turns.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from search_spaces.errors import AlmsweepError

ROOT = Path(__file__).parent.parent
VALIDATION_SECONDS = 0.2


class WorkerError(AlmsweepError):
    """A worker failed or died; the message is its last error line."""


class Worker:
    """The other end of a worker's pipes. `ask` and `answer` may be apart, so that several work at once."""

    def __init__(self, threads: int, environment: Mapping[str, str] | None = None) -> None:
        settings = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, do: str, **arguments: Any) -> None:
        """Send a request. Raises WorkerError if the process is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
        except OSError as error:
            raise WorkerError(f"the process is gone (exit code {self.process.poll()})") from error

    def answer(self, timeout: float) -> dict[str, Any]:
        """The answer to the request; a process that takes longer than `timeout` seconds is killed.

        Raises WorkerError with the worker's error.
        """
        assert self.process.stdout is not None
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise WorkerError(
                f"the process ended (exit code {self.process.wait()}) or took over {timeout:g} s"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # it died with a request unread
                    stream.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Server:
    """The worker's own side: answers requests about one contestant."""

    def __init__(self) -> None:
        self.contestant: Any = None
        self.device = "cpu"

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request, found by its `do`."""
        arguments = dict(request)
        answer: dict[str, Any] = getattr(self, f"do_{arguments.pop('do')}")(**arguments)
        return answer

    def do_prepare(self, case: dict[str, Any]) -> dict[str, Any]:
        """Load data and build the contestant; nothing is trained yet."""
        from benchmarks.cases import Case
        from benchmarks.contestants import make_contestant

        started = time.perf_counter()
        self.device = case["device"]
        self.contestant = make_contestant(Case.from_json(case))
        return {"seconds": time.perf_counter() - started}

    def do_turn(self, seconds: float, epochs: int) -> dict[str, Any]:
        """Train; `start` and `end` are of a clock that all processes of the machine share."""
        from benchmarks.contestants import run_for

        start = time.perf_counter()
        done = run_for(self.contestant, seconds=seconds, epochs=epochs)
        return {"start": start, "end": time.perf_counter(), **dataclasses.asdict(done)}

    def do_validate(self) -> dict[str, Any]:
        """Validate for a while; the images and seconds of that."""
        images, started = 0, time.perf_counter()
        while images == 0 or time.perf_counter() - started < VALIDATION_SECONDS:
            images += self.contestant.validate()
        return {"images": images, "seconds": time.perf_counter() - started}

    def do_finish(self, scores: bool) -> dict[str, Any]:
        """What came out, and the most memory that the process held."""
        answer = {"auroc": self.contestant.auroc, "peak_memory_bytes": peak_memory(self.device)}
        return {**answer, "scores": self.contestant.scores()} if scores else answer

    def do_matmul(self, device: str, precision: str, size: int, seconds: float) -> dict[str, Any]:
        """The device's rate of matrix products of this size, in FLOP/s."""
        from benchmarks.floor import matmul_rate

        return {"flop_per_second": matmul_rate(device, precision, size, seconds)}


def peak_memory(device: str) -> int:
    """Bytes: what torch reserved at most on a GPU, or this process's highest resident size on the CPU.

    On Linux the latter is read where a parent's size cannot shine through, unlike `ru_maxrss`.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_reserved()
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    from trainer.device.environment import peak_memory_bytes

    return peak_memory_bytes()


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until the requests end. An error is an answer too: its text, the traceback on stderr."""
    server = Server()
    for line in requests:
        try:
            answer = server.handle(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr, not into the answers
    serve(sys.stdin, pipe)
