"""Small data sets written to disk in each of the layouts that the readers know."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


def random_images(count: int, shape: tuple[int, ...] = (3, 32, 32), seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def encode(pixels: Pixels, form: str = "PNG") -> bytes:
    """Encode one image [C, H, W]."""
    stream = io.BytesIO()
    array = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    Image.fromarray(array).save(stream, format=form)
    return stream.getvalue()


def write_pickle(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_cifar10_batches(folder: Path, train: tuple[Pixels, Labels], test: tuple[Pixels, Labels]) -> None:
    """The original layout; the training images are cut into five batches."""
    pixels, labels = (np.array_split(part, 5) for part in train)
    parts = [(f"data_batch_{n + 1}", pixels[n], labels[n]) for n in range(5)]
    for name, batch, batch_labels in [*parts, ("test_batch", *test)]:
        write_pickle(folder / name, {"data": batch.reshape(len(batch), -1), "labels": batch_labels.tolist()})


def write_parquet(
    path: Path,
    pixels: Pixels,
    labels: Sequence[int] | Labels,
    image_column: str = "img",
    label_column: str = "label",
    rows_per_group: int = 7,
    more: Mapping[str, Labels] | None = None,
) -> None:
    cells = [{"bytes": encode(image), "path": None} for image in pixels]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {image_column: pa.array(cells, kind), label_column: pa.array(list(labels), pa.int64())}
    table = pa.table({**columns, **(more or {})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows_per_group)


def write_npz(
    path: Path,
    splits: dict[str, tuple[Pixels, NDArray[np.generic]]],
    more: Mapping[str, Labels] | None = None,
) -> None:
    """MedMNIST's layout; images as they are stored, [N, H, W] or [N, H, W, 3]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[np.generic]] = {**(more or {})}
    for name, (images, labels) in splits.items():
        arrays |= {f"{name}_images": images, f"{name}_labels": labels}
    np.savez(path, **arrays)


def write_class_folders(root: Path, images: dict[str, Pixels]) -> None:
    """`<root>/<class>/<number>.png`"""
    for name, pixels in images.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(pixels):
            (root / name / f"{number:03d}.png").write_bytes(encode(image))
