"""A folder of images per class."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, ImageFolder, Percentiles
from search_spaces.errors import DataError
from trainer.data.sources.class_folders import images_in, split_folders
from trainer.data.sources.class_tree import folders_with_images
from trainer.data.sources.decode import decode_image, decode_values
from trainer.data.sources.faults import Faults, Malformed
from trainer.data.sources.folder_entries import Entry, classes_of, entries_of, groups_of
from trainer.data.sources.groups import finder_of
from trainer.data.sources.images import Images, Listing, Origin, Passed, RawData
from trainer.data.sources.paths import child, composed, readable
from trainer.data.sources.reader import Reader

log = logging.getLogger(__name__)

# The brightest value of 12 bits in 16 is 16.
_DARK = 31


class FolderReader(Reader[ImageFolder]):
    """Reads `<data dir>/<folder>/<class>/<image>`, or `<data dir>/<folder>/<split>/<class>/<image>`.

    Or such trees with folders of groups above or below those of the classes (see `class_tree`).
    The data directory may also be the folder itself. A class is the name of its folder, in any Unicode form;
    the label 0 means the folder "0". The id of an image is its path in the folder (see `readable`). What is
    no image by its ending, what lies in sub-folders of a class, and images of other classes are passed over
    and counted; hidden files are passed over.
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes, resized.

        Raises DataError if the folder is missing, for an unknown class label, and about all images that
        cannot be read.
        """
        passed = Passed()
        train, validation, test = self._entries(asked, data_dir, passed)
        decoding = _Decoding(self.source)
        images = decoding.images(train)
        own_validation = None if validation is None else decoding.images(validation)
        own_test = None if test is None else decoding.images(test)
        decoding.check()
        return RawData(
            images, own_validation, own_test, passed.left_out(), decoding.percentiles, decoding.depth
        )

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`: the files' names tell."""
        passed = Passed()
        train, validation, test = self._entries(asked, data_dir, passed)
        own_validation = None if validation is None else classes_of(validation)
        own_test = None if test is None else classes_of(test)
        groups: dict[Origin, NDArray[np.str_]] = {}
        own: tuple[tuple[Origin, list[Entry] | None], ...]
        own = (("train", train), ("validation", validation), ("test", test))
        for origin, entries in own:
            if entries is not None and self.source.groups is not None:
                groups[origin] = groups_of(entries)
        return Listing(classes_of(train), own_validation, own_test, passed.left_out(), groups)

    def files(self, data_dir: Path) -> list[Path]:
        """The images in the folder, of all classes. Raises DataError if the folder is missing."""
        nobody = Passed()
        folders = split_folders(_root(self.source, data_dir), nobody)
        found = []
        for split in folders:
            for folder in folders_with_images(split, self.source.groups):
                # One that may not be listed ("lost+found") is an error for whoever asks for that class.
                with contextlib.suppress(Malformed):
                    found += images_in(folder, folders.root, nobody)
        return found

    def _entries(
        self, asked: Sequence[ClassLabel], data_dir: Path, passed: Passed
    ) -> tuple[list[Entry], list[Entry] | None, list[Entry] | None]:
        """The images of train, validation and test; None for a split that the folder has not."""
        names = [composed(str(label)) for label in asked]
        if len(set(names)) != len(names):
            raise DataError(
                f"image folder {self.source.folder}: expected each class folder once, given {list(asked)}"
            )
        folders = split_folders(_root(self.source, data_dir), passed)
        finder = finder_of(self.source)
        train = entries_of(folders.train, folders.root, names, passed, finder)
        own: list[list[Entry] | None] = []
        for split in (folders.validation, folders.test):
            own.append(None if split is None else entries_of(split, folders.root, names, passed, finder))
        if finder is not None:
            finder.check()
        return train, own[0], own[1]


class _Decoding:
    """Decodes the images of all splits, and gathers what is wrong with any of them."""

    def __init__(self, source: ImageFolder) -> None:
        self._source = source
        self._faults = Faults(f"image folder {source.folder}")
        self._types: Counter[str] = Counter()
        self._brightest = 0.0
        scaling = source.scaling
        self.percentiles = scaling.percentiles if isinstance(scaling, Percentiles) else None

    @property
    def depth(self) -> str:
        """That of the images, after `check`."""
        return next(iter(self._types), "8-bit")

    def images(self, entries: Sequence[Entry]) -> Images:
        """The images of one split; those that cannot be read are black."""
        shape = (len(entries), self._source.channels, self._source.size, self._source.size)
        pixels = np.zeros(shape, dtype=np.uint8 if self.percentiles is None else np.float32)
        for row, entry in enumerate(entries):
            with self._faults.of_one_image():
                pixels[row] = self._decoded(entry)
        self._brightest = max(self._brightest, float(pixels.max(initial=0)))
        ids = np.array([entry.image_id for entry in entries], dtype=np.str_)
        groups = None if self._source.groups is None else groups_of(entries)
        return Images(pixels, classes_of(entries), ids, groups)

    def _decoded(self, entry: Entry) -> NDArray[np.uint8] | NDArray[np.float32]:
        where, channels, size = readable(entry.path), self._source.channels, self._source.size
        if self.percentiles is None:
            return decode_image(entry.path, where, channels, size)
        values, name = decode_values(entry.path, where, channels, size)
        self._types[name] += 1
        return values

    def check(self) -> None:
        """Raise DataError for images that cannot be read, and for values that no one scale can hold.

        Images that are all dark are logged as a warning: little is left of their grey levels.
        """
        self._faults.check()
        if self.percentiles is None and self._brightest <= _DARK:
            log.warning(
                "image folder %s: no value is above %d of 255; where files hold 12 bits in 16, "
                "scaling: {percentiles: [1, 99]} uses the whole range",
                self._source.folder,
                self._brightest,
            )
        if len(self._types) > 1:
            found = ", ".join(f"{count:,} {name}" for name, count in self._types.most_common())
            raise DataError(
                f"image folder {self._source.folder}: expected images of one depth to be scaled by "
                f"percentiles, found {found}"
            )


def _root(source: ImageFolder, data_dir: Path) -> Path:
    parts = source.folder.split("/")
    root = data_dir
    for part in parts:
        root = child(root, part)
    if os.path.isdir(root):  # pathlib raises for a name that is too long
        return root
    if _ends_in(data_dir.absolute(), parts) or _ends_in(data_dir.resolve(), parts):
        return data_dir
    raise DataError(
        f"image folder {source.folder}: expected a folder {readable(root)} with a folder per class, "
        "found none"
    )


def _ends_in(folder: Path, parts: Sequence[str]) -> bool:
    """Whether a path's last names are these, so that it is itself the data set's folder."""
    last = [composed(name) for name in folder.parts[-len(parts) :]]
    return folder.is_dir() and last == [composed(part) for part in parts]
