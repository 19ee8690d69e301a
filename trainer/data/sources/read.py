"""One door to all readers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search_spaces.config import ClassLabel, Source
from search_spaces.errors import DataError
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.images import Listing, RawData
from trainer.data.sources.reader import Reader, Statistics
from trainer.registry import implementation_of


def read_source(
    source: Source, asked: Sequence[ClassLabel], data_dir: Path | None, *, download: bool
) -> RawData:
    """Read the images of the asked classes of a data set.

    `data_dir` holds the data set's folder or is that folder; digits need none. Raises DataError if files
    are missing or malformed, or for an unknown class label.
    """
    folder = _given(source, data_dir) if source.needs_files else Path()
    return _reader(source).read(asked, folder, download=download)


def list_source(
    source: Source, asked: Sequence[ClassLabel], data_dir: Path | None, *, download: bool
) -> Listing:
    """What the labels of a data set tell, without its pixels; arguments and errors as `read_source`."""
    folder = _given(source, data_dir) if source.needs_files else Path()
    return _reader(source).listing(asked, folder, download=download)


def source_files(source: Source, data_dir: Path | None) -> list[Path]:
    """The files that `read_source` would decode; none for digits, and for CIFAR while it is not there.

    Raises DataError if other data sets are missing, or no data directory is given for them.
    """
    if not source.needs_files:
        return []
    return _reader(source).files(_given(source, data_dir))


def source_images(source: Source, asked: Sequence[ClassLabel], data_dir: Path | None) -> list[Encoded]:
    """The encoded images of the asked classes; none of a source that holds images as arrays.

    Errors as `read_source`.
    """
    folder = _given(source, data_dir) if source.needs_files else Path()
    return _reader(source).encoded(asked, folder)


def source_statistics(source: Source) -> Statistics | None:
    """Mean and deviation per channel by which a data set is normalised; None: those of its training pool."""
    return _reader(source).statistics


def _reader(source: Source) -> Reader[Any]:
    reader: Reader[Any] = implementation_of(source)(source)
    return reader


def _given(source: Source, data_dir: Path | None) -> Path:
    if data_dir is None:
        raise DataError(f"data set {source.name}: expected a data directory (--data-dir), given none")
    # Readers look at its name, too, which "." and ".." do not tell.
    standing = data_dir.absolute()
    if _is_closed(standing):
        raise DataError(
            f"data set {source.name}: expected a data directory (--data-dir) that user {os.geteuid()} "
            f"may read, given {standing}: permission denied"
        )
    return standing.resolve() if ".." in standing.parts else standing


def _is_closed(folder: Path) -> bool:
    """Whether a folder is there into which this user may not look."""
    try:
        folder.stat()
    except PermissionError:
        return True
    except OSError:  # it is missing, of which readers tell
        return False
    return not os.access(folder, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
