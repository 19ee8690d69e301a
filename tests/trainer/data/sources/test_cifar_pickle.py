from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_pickle
from trainer.data.sources.cifar_pickle import read_batch

PIXELS = random_images(3)
ROWS = PIXELS.reshape(3, -1)


def _python2_pickle(rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 with NumPy 1 wrote the original files (protocol 2), opcode by opcode."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
        b"(K\x01" + b"K" + bytes([rows.shape[0]]) + b"M" + struct.pack("<H", rows.shape[1]) + b"\x86"
        b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + b"T" + struct.pack("<I", rows.size) + rows.tobytes() + b"tb"
    )
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def test_a_file_of_python_2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(_python2_pickle(ROWS, [3, 0, 9]))
    pixels, labels = read_batch(path, "labels")
    assert np.array_equal(pixels, PIXELS)
    assert labels.tolist() == [3, 0, 9]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_files_of_python_3_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "batch"
    path.write_bytes(pickle.dumps({"data": ROWS, "fine_labels": [3, 0, 9]}, protocol))
    pixels, labels = read_batch(path, "fine_labels")
    assert np.array_equal(pixels, PIXELS)
    assert labels.dtype == np.int64


class _Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_runs_code_is_refused_before_it_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    write_pickle(tmp_path / "batch", {"data": ROWS, "labels": [1, 2, 3], "more": _Command(marker)})
    with pytest.raises(DataError, match=r"posix\.mkdir does not belong into a CIFAR file"):
        read_batch(tmp_path / "batch", "labels")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dictionary with data and labels, found list"),
        ({"data": ROWS}, r"found \['data'\]"),
        ({"data": ROWS, "fine_labels": [1, 2, 3]}, r"found \['data', 'fine_labels'\]"),
        ({"data": ROWS[:, :100], "labels": [1, 2, 3]}, r"uint8 data \[3, 3072\], found uint8 \(3, 100\)"),
        ({"data": ROWS.astype(np.int64), "labels": [1, 2, 3]}, r"found int64 \(3, 3072\)"),
        ({"data": ROWS, "labels": [1, 2]}, r"uint8 data \[2, 3072\], found uint8 \(3, 3072\)"),
        ({"data": ROWS, "labels": [1.0, 2.0, 3.0]}, "one integer per image in labels, found float64"),
        ({"data": [1, 2, 3], "labels": [1, 2, 3]}, "found list"),
    ],
)
def test_malformed_content_is_an_error(content: object, message: str, tmp_path: Path) -> None:
    write_pickle(tmp_path / "batch", content)
    with pytest.raises(DataError, match=message):
        read_batch(tmp_path / "batch", "labels")


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    whole = pickle.dumps({"data": ROWS, "labels": [1, 2, 3]})
    for damaged in (b"", b"nothing of the kind", whole[:500]):
        (tmp_path / "batch").write_bytes(damaged)
        with pytest.raises(DataError, match=r"batch: expected a CIFAR batch file, could not read it"):
            read_batch(tmp_path / "batch", "labels")
