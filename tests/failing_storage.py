"""A file system that fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainer.store import Storage


class FailingFilesystem:
    """Passes calls on to a real file system, unless `fault(operation, path)` gives an error to raise.

    Operations: write, read, list, delete.
    """

    def __init__(self, real: Any, fault: Callable[[str, str], OSError | None]) -> None:
        self.real = real
        self.fault = fault
        self.calls: list[tuple[str, str]] = []

    def _pass(self, operation: str, path: str) -> None:
        self.calls.append((operation, path))
        error = self.fault(operation, path)
        if error is not None:
            raise error

    def open_output_stream(self, path: str) -> Any:
        self._pass("write", path)
        folder = path.rpartition("/")[0]
        self.real.create_dir(folder, recursive=True)
        return self.real.open_output_stream(path)

    def open_input_stream(self, path: str) -> Any:
        self._pass("read", path)
        return self.real.open_input_stream(path)

    def delete_file(self, path: str) -> None:
        self._pass("delete", path)
        self.real.delete_file(path)

    def get_file_info(self, what: Any) -> Any:
        self._pass("list", what if isinstance(what, str) else what.base_dir)
        return self.real.get_file_info(what)


def make_failing(storage: Storage, fault: Callable[[str, str], OSError | None]) -> FailingFilesystem:
    """Let the storage's calls fail by `fault` from now on. It writes as to object storage, without rename."""
    storage.filesystem = FailingFilesystem(storage.filesystem, fault)
    storage.is_local = False
    return storage.filesystem
