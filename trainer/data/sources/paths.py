"""Names of files and folders as text: reversible, printable, and compared whatever their Unicode form."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

# What escaped names hold, and others do not.
_ESCAPE = re.compile(r"\\x[0-9a-f]{2}")
# Bytes that are no UTF-8, as Python holds them in a name, and control characters, which command a terminal.
_BYTES = re.compile("[\udc80-\udcff]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


def readable(path: Path | str) -> str:
    r"""A path as text that every file, table and terminal can hold; different paths have different ones.

    Bytes that are no UTF-8, and control characters, become \xNN. Only in such names, and in those that
    look like it, a backslash is written twice.

    >>> print(readable("données/scan 1.png"), readable("donn\udce9es"), readable(r"a\xe9"), readable(r"a\b"))
    données/scan 1.png donn\xe9es a\\xe9 a\b
    """
    text = str(path)
    if not (_BYTES.search(text) or _CONTROL.search(text) or _ESCAPE.search(text)):
        return text
    text = text.replace("\\", "\\\\")
    text = _BYTES.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def name_below(root: Path, path: Path) -> str:
    """What lies below a folder, as text: its way from there, in every system with slashes.

    >>> name_below(Path("/data/scans"), Path("/data/scans/ill/1.png"))
    'ill/1.png'
    """
    return readable(path.relative_to(root).as_posix())


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which two spellings of one name are equal.

    macOS stores "ö" as "o" and a mark that follows it.
    """
    return unicodedata.normalize("NFC", name)


def child(folder: Path, name: str) -> Path:
    """What lies in a folder under a name: in just this form, else in another one; else the path itself."""
    exact = folder / name
    if os.path.lexists(exact) or name.isascii():
        return exact
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return exact
    for other in names:
        if composed(other) == composed(name):
            return folder / other
    return exact
