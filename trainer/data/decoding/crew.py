"""The processes that decode: as many as the node's CPUs allow, each a chunk at a time."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from search_spaces.errors import DataError
from trainer.data.decoding.encoded import Encoded, Form, Told
from trainer.interpreter import start_module


class Chunk(NamedTuple):
    """Neighbouring images of a map: which chunk it is, and the row of its first image."""

    number: int
    first: int
    images: Sequence[Encoded]


def decode_in_parallel(
    folder: Path,
    form: Form,
    images: int,
    chunks: Sequence[Chunk],
    workers: int,
    on_done: Callable[[Chunk, Told], None],
) -> None:
    """Decode chunks by so many processes into the row files of a folder for `images` images.

    `on_done` is called, in any order and thread, when the pixels of a chunk are on the disk.
    Raises DataError when a process ends before its work; the others are ended then.
    """
    waiting: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
    for chunk in chunks:
        waiting.put(chunk)
    errors: list[BaseException] = []
    job = {"folder": str(folder), "form": asdict(form), "images": images}

    def serve() -> None:
        try:
            with _Worker(job) as worker:
                while not errors:
                    chunk = waiting.get_nowait()
                    on_done(chunk, worker.decode(chunk))
        except queue.Empty:
            return
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(workers)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as error:  # Ctrl-C: the others end after their chunk
        errors.append(error)
        raise
    if errors:
        raise errors[0]


class _Worker:
    """One process, which is ended with the block."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._process = start_module(
            "trainer.data.decoding.worker",
            {"OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for this process, which ends the other
        )
        self._job = job
        self._begun = False

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # it has ended before
                    stream.close()
        self._process.wait()

    def decode(self, chunk: Chunk) -> Told:
        """What a chunk told, once it is decoded."""
        sent, heard = self._process.stdin, self._process.stdout
        if sent is None or heard is None:
            raise AssertionError("a process without pipes")
        try:
            if not self._begun:
                sent.write(json.dumps(self._job) + "\n")
                self._begun = True
            content = {"chunk": chunk.number, "first": chunk.first, "images": list(chunk.images)}
            sent.write(json.dumps(content) + "\n")
            sent.flush()
            line = heard.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DataError(
                f"decoding images: a process ended with code {self._process.wait()} before its work, "
                "most likely for want of memory; what is decoded stays for the next attempt"
            )
        return Told.from_json(json.loads(line)["told"])
