"""MedMNIST v2 `.npz` files (Yang et al. 2023), of any image size."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, MedMnist
from search_spaces.errors import DataError
from trainer.data.sources.images import Images, RawData, check_known, select_images
from trainer.data.sources.reader import Reader


class MedMnistReader(Reader[MedMnist]):
    """Reads `<subset>.npz` from `<data dir>/<subset>/`, `<data dir>/medmnist/` or the data directory itself.

    The file holds `{train,val,test}_images`, uint8 [N, H, W] or [N, H, W, 3], and
    `{train,val,test}_labels`, integers [N] or [N, 1].
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes.

        Raises DataError if the file is missing or malformed, or for an unknown class label.
        """
        path = _find(self.source.subset, data_dir)
        splits = _read_splits(path)
        known: set[int] = set()
        for _, labels in splits.values():
            known.update(np.unique(labels).tolist())
        check_known(asked, sorted(known), str(path))
        images: dict[str, Images] = {}
        for name, (pixels, labels) in splits.items():
            images[name] = select_images(pixels, labels, asked)
        return RawData(images["train"], images["val"], images["test"])

    def files(self, data_dir: Path) -> list[Path]:
        """The one file. Raises DataError if it is missing."""
        return [_find(self.source.subset, data_dir)]


def _read_splits(path: Path) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Pixels and labels of train, val and test."""
    try:
        with path.open("rb") as stream:  # opened here, as np.load leaves a damaged file open
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: expected a MedMNIST .npz file, found a single array")
            return {name: _split(archive, name, path) for name in ("train", "val", "test")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
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
    keys = f"{name}_images", f"{name}_labels"
    missing = [key for key in keys if key not in archive]
    if missing:
        raise DataError(f"{path}: expected the arrays {', '.join(keys)}, found {', '.join(archive.files)}")
    pixels, labels = archive[keys[0]], archive[keys[1]]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{path}: expected one integer label per image, {keys[1]} is {labels.dtype} {labels.shape}"
        )
    colour = pixels.ndim == 4 and pixels.shape[-1] == 3
    if pixels.dtype != np.uint8 or not (colour or pixels.ndim == 3):
        raise DataError(
            f"{path}: expected uint8 images [N, H, W] or [N, H, W, 3], "
            f"{keys[0]} is {pixels.dtype} {pixels.shape}"
        )
    if len(pixels) != len(labels):
        raise DataError(f"{path}: expected as many labels as images, found {len(labels)} and {len(pixels)}")
    return (np.moveaxis(pixels, -1, 1) if colour else pixels[:, None]), labels.astype(np.int64)
