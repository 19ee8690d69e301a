"""A folder of images per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from search_spaces.config import ClassLabel, ImageFolder
from search_spaces.errors import DataError
from trainer.data.sources.images import Images, RawData, check_known, decode_image
from trainer.data.sources.reader import Reader

EXTENSIONS = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"))
_SPLIT_FOLDERS = {"validation": ("val", "valid", "validation"), "test": ("test",)}


class FolderReader(Reader[ImageFolder]):
    """Reads `<data dir>/<folder>/<class>/<image>`, or `<data dir>/<folder>/{train,val,test}/<class>/<image>`.

    The data directory may also be the folder itself. A class is the name of its folder; the label 0 means the
    folder "0". The id of an image is its path in the folder. Files that are no images by their ending, and
    hidden ones, are passed over.
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes, resized.

        Raises DataError if the folder is missing, for an unknown class label, and for a damaged image.
        """
        source, root = self.source, _root(self.source, data_dir)
        names = [str(label) for label in asked]
        if len(set(names)) != len(names):
            raise DataError(
                f"image folder {source.folder}: expected each class folder once, given {list(asked)}"
            )
        if not (root / "train").is_dir():
            return RawData(_read(root, root, names, source), None, None)
        train = _read(root / "train", root, names, source)
        own: dict[str, Images | None] = {}
        for split, folders in _SPLIT_FOLDERS.items():
            path = _first_folder(root, folders)
            own[split] = None if path is None else _read(path, root, names, source)
        return RawData(train, own["validation"], own["test"])

    def files(self, data_dir: Path) -> list[Path]:
        """The images in the folder, of all classes. Raises DataError if the folder is missing."""
        below = _root(self.source, data_dir).rglob("*")
        return sorted(path for path in below if path.suffix.lower() in EXTENSIONS)


def _root(source: ImageFolder, data_dir: Path) -> Path:
    root = data_dir / source.folder
    if not root.is_dir() and data_dir.name == source.folder:
        root = data_dir
    if not root.is_dir():
        raise DataError(
            f"image folder {source.folder}: expected a folder {root} with a folder per class, found none"
        )
    return root


def _first_folder(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _read(split: Path, root: Path, asked: Sequence[str], source: ImageFolder) -> Images:
    check_known(asked, sorted(_class_folders(split)), str(split))
    listing: list[tuple[str, int, Path]] = []
    for position, name in enumerate(asked):
        for path in _image_files(split / name):
            listing.append((path.relative_to(root).as_posix(), position, path))
    listing.sort()
    pixels = np.empty((len(listing), source.channels, source.size, source.size), dtype=np.uint8)
    classes = np.empty(len(listing), dtype=np.int64)
    ids = []
    for row, (name, position, path) in enumerate(listing):
        pixels[row] = decode_image(path, str(path), source.channels, source.size)
        classes[row] = position
        ids.append(name)
    return Images(pixels, classes, np.array(ids, dtype=np.str_))


def _class_folders(split: Path) -> Iterator[str]:
    for path in split.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            yield path.name


def _image_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        is_image = path.suffix.lower() in EXTENSIONS and path.is_file()
        if is_image and not path.name.startswith("."):
            yield path
