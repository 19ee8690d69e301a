"""What is done of a map that is being decoded: a line per chunk, which outlives whoever wrote it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from trainer.data.decoding.encoded import Told

RECORD = "chunks.jsonl"


class Record:
    """The chunks of a folder that are decoded and on the disk, and what they told.

    What was begun with chunks of another size counts as nothing.

    attempt   a name of this process's attempt; a line says which attempt decoded its chunk
    """

    def __init__(self, folder: Path, chunk_size: int, attempt: str) -> None:
        self._path, self._chunk_size, self._attempt = folder / RECORD, chunk_size, attempt
        self._lock = threading.Lock()
        self.done: dict[int, Told] = {}
        for line in self._lines():
            if line["chunk_size"] == chunk_size:
                self.done[line["chunk"]] = Told.from_json(line["told"])

    def add(self, chunk: int, told: Told) -> None:
        """Note a chunk whose pixels are on the disk."""
        line = {
            "chunk": chunk,
            "chunk_size": self._chunk_size,
            "attempt": self._attempt,
            "told": told.to_json(),
        }
        with self._lock:
            with self._path.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            self.done[chunk] = told

    def _lines(self) -> list[dict[str, Any]]:
        """The lines that are whole: a kill may have cut the last one, which then ends here."""
        try:
            content = self._path.read_text()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind("\n") + 1]
        if whole != content:
            self._path.write_text(whole)
        return [json.loads(line) for line in whole.splitlines()]
