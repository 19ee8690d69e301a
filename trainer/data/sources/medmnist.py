"""MedMNIST v2 `.npz` files (Yang et al. 2023), of any image size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, MedMnist
from search_spaces.errors import DataError
from trainer.data.sources.faults import Malformed
from trainer.data.sources.groups import GroupFinder, finder_of, group_array
from trainer.data.sources.images import (
    Images,
    Listing,
    Origin,
    RawData,
    asked_classes,
    check_known,
    class_positions,
    select_images,
)
from trainer.data.sources.reader import Reader
from trainer.tasks.label_sets import Labels, are_sets

T = TypeVar("T")

_ORIGINS: dict[str, Origin] = {"train": "train", "val": "validation", "test": "test"}


class MedMnistReader(Reader[MedMnist]):
    """Reads `<subset>.npz` from `<data dir>/<subset>/`, `<data dir>/medmnist/` or the data directory itself.

    The file holds `{train,val,test}_images`, uint8 [N, H, W] or [N, H, W, 3], and
    `{train,val,test}_labels`, integers [N] or [N, 1], or label sets [N, L] of 0 and 1, a column per label.
    Groups by the column `patient` are the arrays
    `{train,val,test}_patient`, text or integers [N] or [N, 1].
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes.

        Raises DataError if the file is missing or malformed, or for an unknown class label.
        """
        path = _find(self.source.subset, data_dir)
        splits = _read_splits(path, _split)
        _check_known(asked, [labels for _, labels in splits.values()], path)
        groups = self._groups(path, asked)
        images: dict[str, Images] = {}
        for name, (pixels, labels) in splits.items():
            images[name] = _asked_images(pixels, labels, asked, groups.get(name))
        return RawData(images["train"], images["val"], images["test"])

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`; of the file only the labels are read."""
        path = _find(self.source.subset, data_dir)
        splits = _read_splits(path, _labels)
        _check_known(asked, list(splits.values()), path)
        train, validation, test = (_asked_labels(labels, asked) for labels in splits.values())
        groups: dict[Origin, NDArray[np.str_]] = {}
        for name, its in self._groups(path, asked).items():
            groups[_ORIGINS[name]] = its[_are_asked(splits[name], asked)]
        return Listing(train, validation, test, groups=groups)

    def _groups(self, path: Path, asked: Sequence[ClassLabel]) -> dict[str, NDArray[np.str_]]:
        """The groups [N] of each split's images, "" of classes not asked for; none of a source without."""
        finder = finder_of(self.source)
        if finder is None:
            return {}

        def read(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> NDArray[np.str_]:
            return _group_array(archive, name, path, finder, asked)

        groups = _read_splits(path, read)
        finder.check()
        return groups

    def files(self, data_dir: Path) -> list[Path]:
        """The one file. Raises DataError if it is missing."""
        return [_find(self.source.subset, data_dir)]


def _check_known(asked: Sequence[ClassLabel], splits: Sequence[NDArray[np.int64]], path: Path) -> None:
    widths = {labels.shape[1:] for labels in splits}
    if len(widths) > 1:
        raise DataError(f"{path}: expected labels of one shape in every split, found [N, {_listed(widths)}]")
    known: set[int] = set()
    for labels in splits:
        known.update(range(labels.shape[1]) if are_sets(labels) else np.unique(labels).tolist())
    check_known(asked, sorted(known), str(path))


def _listed(widths: set[tuple[int, ...]]) -> str:
    return " and ".join(str(width[0] if width else 1) for width in sorted(widths))


def _are_asked(labels: NDArray[np.int64], asked: Sequence[ClassLabel]) -> NDArray[np.bool_]:
    """Which images [N] are read: those of the asked classes; of label sets all."""
    return np.ones(len(labels), np.bool_) if are_sets(labels) else class_positions(labels, asked) >= 0


def _asked_labels(labels: NDArray[np.int64], asked: Sequence[ClassLabel]) -> Labels:
    """The labels of the images that are read, as `Images` has them."""
    if are_sets(labels):
        return labels[:, [int(label) for label in asked]].astype(np.uint8)
    return asked_classes(labels, asked)


def _asked_images(
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    asked: Sequence[ClassLabel],
    groups: NDArray[np.str_] | None,
) -> Images:
    if not are_sets(labels):
        return select_images(pixels, labels, asked, groups)
    return Images(np.ascontiguousarray(pixels), _asked_labels(labels, asked), np.arange(len(labels)), groups)


def _read_splits(path: Path, read: Callable[[np.lib.npyio.NpzFile, str, Path], T]) -> dict[str, T]:
    """What `read` reads of train, val and test."""
    try:
        with path.open("rb") as stream:  # opened here, as np.load leaves a damaged file open
            head = stream.read(6)
            if head and not head.startswith((b"PK", b"\x93NUMPY")):  # NumPy would advise to unpickle it
                raise DataError(f"{path}: expected a MedMNIST .npz file, found one that begins with {head!r}")
            stream.seek(0)
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: expected a MedMNIST .npz file, found a single array")
            return {name: read(archive, name, path) for name in _ORIGINS}
    except DataError:
        raise
    except Exception as error:  # damaged bytes: whatever NumPy, zipfile and zlib raise
        raise DataError(f"{path}: expected a MedMNIST .npz file, could not read it: {error}") from error


def _find(subset: str, data_dir: Path) -> Path:
    candidates = [folder / f"{subset}.npz" for folder in (data_dir / subset, data_dir / "medmnist", data_dir)]
    for path in candidates:
        if path.is_file():
            return path
    raise DataError(
        f"MedMNIST {subset}: expected one of {', '.join(map(str, candidates))}, found none; "
        "the files are at https://medmnist.com"
    )


def _split(
    archive: np.lib.npyio.NpzFile, name: str, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels [N, C, H, W] and labels [N] of a split."""
    labels, key = _labels(archive, name, path), f"{name}_images"
    pixels = archive[key]
    colour = pixels.ndim == 4 and pixels.shape[-1] == 3
    if pixels.dtype != np.uint8 or not (colour or pixels.ndim == 3):
        raise DataError(
            f"{path}: expected uint8 images [N, H, W] or [N, H, W, 3], {key} is {pixels.dtype} {pixels.shape}"
        )
    if len(pixels) != len(labels):
        raise DataError(
            f"{path}: expected as many {name}_labels as {key}, found {len(labels)} and {len(pixels)}"
        )
    return (np.moveaxis(pixels, -1, 1) if colour else pixels[:, None]), labels


def _labels(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> NDArray[np.int64]:
    """Labels [N] of a split, or label sets [N, L]."""
    keys = f"{name}_images", f"{name}_labels"
    if any(key not in archive for key in keys):
        raise DataError(f"{path}: expected the arrays {', '.join(keys)}, found {', '.join(archive.files)}")
    labels = archive[keys[1]]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iub":
        raise DataError(
            f"{path}: expected an integer label per image, or label sets, {keys[1]} is {labels.dtype} "
            f"{labels.shape}"
        )
    if are_sets(labels) and not np.isin(labels, (0, 1)).all():
        values = np.setdiff1d(labels, (0, 1))[:5].tolist()
        raise DataError(
            f"{path}: expected 0 and 1 in the label sets {keys[1]} {labels.shape}, found {values}"
        )
    return labels.astype(np.int64)


def _group_array(
    archive: np.lib.npyio.NpzFile,
    name: str,
    path: Path,
    finder: GroupFinder,
    asked: Sequence[ClassLabel],
) -> NDArray[np.str_]:
    """The groups [N] of a split, "" of classes not asked for: the array of its column's name."""
    key = f"{name}_{finder.groups.column}"
    if key not in archive:
        raise Malformed(
            f"{path}: expected the array {key} for source.groups, found {', '.join(archive.files)}"
        )
    is_asked = _are_asked(_labels(archive, name, path), asked)
    values, images = archive[key], len(is_asked)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (images,) or values.dtype.kind not in "iuU":
        raise Malformed(
            f"{path}: expected text or whole numbers [{images}] in {key}, found {values.dtype} {values.shape}"
        )
    groups = [""] * images
    for row in np.flatnonzero(is_asked).tolist():
        groups[row] = finder.group_of(values[row], f"{key}[{row}]")
    return group_array(groups)
