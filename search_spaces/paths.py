"""Paths as a person gives them: `~` is expanded once, where a path enters."""

from __future__ import annotations

import os
from pathlib import Path

from search_spaces.errors import InputError


def given_path(given: str | Path) -> Path:
    """A path as it was given, with the home folder in place of `~`.

    Raises InputError for an empty one, which would mean the working folder, for a home of nobody's, and for
    characters that no file name has or UTF-8 cannot write.
    """
    text = str(given)
    if not text.strip() or "\0" in text:
        raise InputError(f"expected a path, given {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"expected a path in UTF-8, given {text!a}") from None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"expected a home folder that there is, given {text!r}") from None


def check_is_folder(path: Path) -> None:
    """Raise InputError where a path is none of a folder, nor one at which a folder can be made.

    So is one that is a file's or below a file, and a link that leads nowhere.
    """
    for place in (path, *path.parents):
        if os.path.isdir(place):
            return
        if os.path.exists(place):
            raise InputError(f"expected a folder, given {path}: {place} is a file")
        if os.path.islink(place):
            raise InputError(f"expected a folder, given {path}: {place} is a link that leads nowhere")
