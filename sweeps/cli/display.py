"""What a command prints never ends it: a full disk, a reader that went away, a narrow encoding, no stream.

A sweep runs for days, and its log may fill a disk or lose its reader. Results stand in the store; what cannot
be shown is left out, and said in a line where that line can be shown.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import Any, TextIO

from search_spaces.errors import OutputError

# Our own signs beyond ASCII, as they stand in an encoding that lacks them.
_PLAIN = {
    "·": "-",
    "δ": "delta",
    "ρ": "rho",
    "±": "+-",
    "×": "x",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "–": "-",
    "—": "--",
    "→": "->",
    "†": "+",
    "‡": "#",
    "Δ": "d",
    "τ": "tau",
    "π": "pi",
    "─": "-",
    "│": "|",
    "\N{REPLACEMENT CHARACTER}": "?",
}
_PLAINLY = "almsweep.plainly"


class Shown(io.FileIO):
    """A descriptor to print to, whose failures are kept in `lost` and end nothing.

    Every write is tried: a disk may have room again.
    """

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        """Write what can be written; returns how many bytes are done with."""
        while True:
            try:
                written = super().write(data)
            except OSError as error:
                self.lost = error
                return memoryview(data).nbytes
            if written is not None:
                return written
            select.select([], [self], [])  # somebody made the pipe non-blocking: wait until it takes more


def open_streams() -> None:
    """Give this process streams that never fail: standard input, output and error, closed ones too.

    A closed descriptor would be given to the next file that is opened, and prints would end up in that.
    """
    codecs.register_error(_PLAINLY, _plainly)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free one: this descriptor
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (stays open as long as the process)
    sys.stdout = _stream(1, sys.stdout)
    sys.stderr = _stream(2, sys.stderr)


def _stream(descriptor: int, before: TextIO | None) -> TextIO:
    """A text stream on a descriptor, as the one `before` it, which is None where there was none."""
    if before is not None:
        before.flush()
    raw = Shown(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else "utf-8",
        errors=_PLAINLY,
        # A log is read while a sweep runs.
        line_buffering=True,
    )


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """How a character stands that the encoding lacks: by a sign like it, else by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    known = ""
    for character in error.object[error.start : error.end]:
        plain = _PLAIN.get(character)
        known += plain if plain is not None else character.encode("ascii", "backslashreplace").decode()
    return known, error.end


def check_shown() -> None:
    """Raise OutputError where something printed to standard output could not be written.

    A reader that has read enough, as `head` has, is none.
    """
    lost = _lost(sys.stdout)
    if lost is not None and lost.errno != errno.EPIPE:
        raise OutputError(f"standard output could not be written: {lost.strerror}")


def _lost(stream: TextIO) -> OSError | None:
    """The last failure of one of our streams; None for any other stream."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if not isinstance(raw, Shown):
        return None
    stream.flush()
    return raw.lost
