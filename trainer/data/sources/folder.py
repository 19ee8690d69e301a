"""A folder of images per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, ImageFolder
from search_spaces.errors import DataError
from trainer.data.sources.images import (
    Faults,
    Images,
    Listing,
    Passed,
    RawData,
    check_known,
    decode_image,
)
from trainer.data.sources.reader import Reader

EXTENSIONS = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"))
_SPLIT_FOLDERS = {"validation": ("val", "valid", "validation"), "test": ("test",)}


class _Entry(NamedTuple):
    """An image: its id, the position of its class among the asked ones, its file."""

    image_id: str
    position: int
    path: Path


class FolderReader(Reader[ImageFolder]):
    """Reads `<data dir>/<folder>/<class>/<image>`, or `<data dir>/<folder>/{train,val,test}/<class>/<image>`.

    The data directory may also be the folder itself. A class is the name of its folder; the label 0 means the
    folder "0". The id of an image is its path in the folder. Files that are no images by their ending, and
    those in sub-folders of a class, are passed over and counted; hidden ones are passed over.
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes, resized.

        Raises DataError if the folder is missing, for an unknown class label, and about all damaged images.
        """
        passed = Passed()
        train, validation, test = self._entries(asked, data_dir, passed)
        faults = Faults(f"image folder {self.source.folder}")
        images = _read(train, self.source, faults)
        own_validation = None if validation is None else _read(validation, self.source, faults)
        own_test = None if test is None else _read(test, self.source, faults)
        faults.check()
        return RawData(images, own_validation, own_test, passed.left_out())

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`: the files' names tell."""
        passed = Passed()
        train, validation, test = self._entries(asked, data_dir, passed)
        own_validation = None if validation is None else _classes(validation)
        own_test = None if test is None else _classes(test)
        return Listing(_classes(train), own_validation, own_test, passed.left_out())

    def _entries(
        self, asked: Sequence[ClassLabel], data_dir: Path, passed: Passed
    ) -> tuple[list[_Entry], list[_Entry] | None, list[_Entry] | None]:
        """The images of train, validation and test; None for a split that the folder has not."""
        root = _root(self.source, data_dir)
        names = [str(label) for label in asked]
        if len(set(names)) != len(names):
            raise DataError(
                f"image folder {self.source.folder}: expected each class folder once, given {list(asked)}"
            )
        if not (root / "train").is_dir():
            return _entries(root, root, names, passed), None, None
        train = _entries(root / "train", root, names, passed)
        own: dict[str, list[_Entry] | None] = {}
        for split, folders in _SPLIT_FOLDERS.items():
            path = _first_folder(root, folders)
            own[split] = None if path is None else _entries(path, root, names, passed)
        return train, own["validation"], own["test"]

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


def _entries(split: Path, root: Path, asked: Sequence[str], passed: Passed) -> list[_Entry]:
    check_known(asked, sorted(_class_folders(split)), str(split))
    entries = []
    for position, name in enumerate(asked):
        for path in _image_files(split / name, root, passed):
            entries.append(_Entry(path.relative_to(root).as_posix(), position, path))
    return sorted(entries)


def _read(entries: Sequence[_Entry], source: ImageFolder, faults: Faults) -> Images:
    pixels = np.empty((len(entries), source.channels, source.size, source.size), dtype=np.uint8)
    for row, entry in enumerate(entries):
        with faults.of_one_image():
            pixels[row] = decode_image(entry.path, str(entry.path), source.channels, source.size)
    ids = np.array([entry.image_id for entry in entries], dtype=np.str_)
    return Images(pixels, _classes(entries), ids)


def _classes(entries: Sequence[_Entry]) -> NDArray[np.int64]:
    return np.array([entry.position for entry in entries], dtype=np.int64)


def _class_folders(split: Path) -> Iterator[str]:
    for path in split.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            yield path.name


def _image_files(folder: Path, root: Path, passed: Passed) -> Iterator[Path]:
    """The images of a class; what else lies in its folder is counted, but for hidden files."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            for inner in sorted(path.rglob("*")):
                if inner.is_file() and not inner.name.startswith("."):
                    passed.add("files in sub-folders of a class", inner.relative_to(root))
        elif path.suffix.lower() in EXTENSIONS:
            yield path
        else:
            passed.add(f"files ending {path.suffix or 'without a dot'}", path.relative_to(root))
