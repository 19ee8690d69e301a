"""The original "python version" of CIFAR: batches of images as pickles.

A pickle can run any code when it is loaded, and these files come from a user's folder. They hold nothing but
dictionaries, lists, strings and NumPy arrays, so the reader admits the array's constructors and no other
name.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError
from trainer.data.sources.faults import Malformed

# The function that an array's pickle calls; its module was renamed between NumPy 1 and 2.
_RECONSTRUCT = np.empty(0).__reduce__()[0]


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the older pickle protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected bytes in latin1, found {encoding!r}")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong into a CIFAR file") from None


def read_batch(path: Path, label_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one batch file: pixels uint8 [N, 3, 32, 32] and labels int64 [N].

    `label_key` is "labels" (CIFAR-10) or "fine_labels" (CIFAR-100). Raises DataError if the file is missing,
    is damaged, holds anything but arrays and plain values, or lacks what is expected.
    """
    content = _content(path, label_key)
    data, labels = content["data"], _labels(content, label_key, path)
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape == (len(labels), 3072)):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DataError(f"{path}: expected uint8 data [{len(labels)}, 3072], found {found}")
    return data.reshape(-1, 3, 32, 32), labels


def read_entry(path: Path, label_key: str, entry: str) -> tuple[NDArray[np.int64], list[object]]:
    """Labels [N] of a batch file, and what it says of each image under a key, "filenames" for one.

    Raises DataError as `read_batch` does, and Malformed where there is no such entry.
    """
    content = _content(path, label_key)
    values, labels = content.get(entry), _labels(content, label_key, path)
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list) or len(values) != len(labels):
        raise Malformed(
            f"{path}: expected {entry} for source.groups, one value per image, found none; "
            f"it holds {', '.join(sorted(map(str, content)))}"
        )
    return labels, values


def _labels(content: Mapping[str, Any], label_key: str, path: Path) -> NDArray[np.int64]:
    """The labels [N] of a batch file. Raises DataError."""
    labels = np.asarray(content[label_key])
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{path}: expected one integer per image in {label_key}, found {labels.dtype} {labels.shape}"
        )
    return labels.astype(np.int64)


def _content(path: Path, label_key: str) -> dict[str, Any]:
    """What a batch file holds, with data and labels. Raises DataError."""
    try:
        with path.open("rb") as stream:
            # Latin-1 is what NumPy asks for to read the arrays that Python 2 wrote.
            content = _ArrayUnpickler(stream, encoding="latin1").load()
    except FileNotFoundError as error:
        raise DataError(
            f"expected the CIFAR batch file {path}, found none; remove {path.parent} and use --download"
        ) from error
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise DataError(f"{path}: expected a CIFAR batch file, could not read it: {error}") from error
    if not isinstance(content, dict) or not {"data", label_key} <= content.keys():
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{path}: expected a dictionary with data and {label_key}, found {found}")
    return content
