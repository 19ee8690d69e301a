"""A function over fixed tensors, which a GPU replays as one CUDA graph.

A training step of a small network is some two hundred kernels of a few microseconds each: launched one by one
from Python they take longer than they run. Captured once and replayed, a step costs the host one call, and
the steps of several replicates, each on a stream of its own, fill the GPU side by side.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from search_spaces.errors import InputError

CAPTURE_VARIABLE = "ALMSWEEP_CUDA_GRAPHS"
WARM_UP_CALLS = 2
# Of the default 8 hardware queues several lanes would share one, and wait for each other there. CUDA reads it
# when it starts. Clients of MPS share their queues, so there it stays as it is.
if "CUDA_MPS_PIPE_DIRECTORY" not in os.environ:
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
_free_streams: dict[torch.device, list[torch.cuda.Stream]] = {}


def capture_wanted(device: torch.device) -> bool:
    """Whether steps on `device` are captured: on CUDA, unless the variable ALMSWEEP_CUDA_GRAPHS is 0.

    Raises InputError for a value other than 0 and 1.
    """
    value = os.environ.get(CAPTURE_VARIABLE, "1")
    if value not in ("0", "1"):
        raise InputError(f"environment variable {CAPTURE_VARIABLE}: expected 0 or 1, given {value!r}")
    return device.type == "cuda" and value == "1"


class Lane:
    """Where one replicate's work is queued: a CUDA stream and a memory pool of its own, nothing on a CPU.

    Work of one lane runs in order; lanes run side by side. A stream is used again after `close`: cuBLAS keeps
    memory for every one that it has seen.
    """

    def __init__(self, device: torch.device, *, capture: bool) -> None:
        self.capture = capture
        self.device, self.stream = device, None
        if device.type == "cuda":
            free = _free_streams.get(device)
            self.stream = free.pop() if free else torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle() if capture else None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Queue the block's work on this lane."""
        if self.stream is None:
            yield
        else:
            with torch.cuda.stream(self.stream):
                yield

    def follow_default(self) -> None:
        """Let the lane's next work wait for what was queued outside of lanes, such as copied data."""
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.default_stream(self.stream.device))

    def renew_pool(self) -> None:
        """Take a new memory pool: one whose last graph is gone cannot be used again."""
        if self.capture:
            self.pool = torch.cuda.graph_pool_handle()

    def wait(self) -> None:
        """Return when all of the lane's work is done."""
        if self.stream is not None:
            self.stream.synchronize()

    def close(self) -> None:
        """Give the stream to a later lane. What this one still queues waits in turn with that one's work."""
        if self.stream is None:
            return
        free = _free_streams.setdefault(self.device, [])
        if self.stream not in free:
            free.append(self.stream)


class Captured:
    """`body`, called as it is the first WARM_UP_CALLS times, then captured once and replayed.

    `body` takes and returns nothing; it reads and writes tensors that stay where they are, and asks the
    device for nothing. Every call is a real one, the warm-up included: capturing executes nothing, so no
    state has to be put back. Call it inside its lane. Without capture every call is a plain one.
    """

    def __init__(self, body: Callable[[], None], lane: Lane) -> None:
        self.body = body
        self.lane = lane
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Do what `body` does, once."""
        if not self.lane.capture or self.calls < WARM_UP_CALLS:
            self.calls += 1
            self.body()
            return
        if self.graph is None:
            self.graph = self._captured()
        self.graph.replay()

    def _captured(self) -> torch.cuda.CUDAGraph:
        """The body as a graph.

        Not through the `torch.cuda.graph` context: it collects garbage and empties the memory cache each
        time, which takes longer than the capture. "thread_local": a thread that writes files meanwhile may
        use the device. The collector stays off meanwhile: to destroy another graph would break this one.
        """
        graph = torch.cuda.CUDAGraph()
        collects = gc.isenabled()
        gc.disable()
        try:
            graph.capture_begin(pool=self.lane.pool, capture_error_mode="thread_local")
            try:
                self.body()
            finally:
                graph.capture_end()
        finally:
            if collects:
                gc.enable()
        return graph
