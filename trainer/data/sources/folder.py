"""A folder of images per class."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, ImageFolder
from search_spaces.errors import DataError
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.class_folders import images_below, images_in, split_folders
from trainer.data.sources.class_tree import folders_with_images
from trainer.data.sources.decoded import DecodedSource, Wanted, decode_source, split_positions
from trainer.data.sources.faults import Malformed
from trainer.data.sources.folder_entries import Entry, classes_of, entries_of, groups_of
from trainer.data.sources.groups import finder_of
from trainer.data.sources.images import Images, Listing, Origin, Passed, RawData
from trainer.data.sources.paths import child, composed, readable
from trainer.data.sources.reader import Reader


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
        passed, source = Passed(), self.source
        root = _root(source, data_dir)
        own = self._entries(asked, data_dir, passed)
        wanted = Wanted(
            title=f"image folder {source.folder}",
            part_of=["folder", str(root.absolute()), [str(label) for label in asked]],
            channels=source.channels,
            size=source.size,
            scaling=source.scaling,
            bad_files=source.bad_files,
        )
        there = [entries for entries in own if entries is not None]
        decoded = decode_source(wanted, _encoded(there))
        every = [entry for part in there for entry in part]
        positions = iter(split_positions(list(map(len, there)), decoded.kept))
        images: list[Images | None] = []
        for entries in own:
            images.append(None if entries is None else self._images(every, decoded, next(positions)))
        train, validation, test = images
        if train is None:
            raise AssertionError("a folder without a training split")
        return RawData(
            train,
            validation,
            test,
            passed.left_out(),
            wanted.percentiles,
            decoded.depth,
            decoded.unread,
        )

    def encoded(self, asked: Sequence[ClassLabel], data_dir: Path) -> list[Encoded]:
        """See `Reader`: the files of the asked classes."""
        own = self._entries(asked, data_dir, Passed())
        return _encoded([entries for entries in own if entries is not None])

    def _images(
        self, entries: Sequence[Entry], decoded: DecodedSource, positions: NDArray[np.int64]
    ) -> Images:
        """The images at these positions."""
        chosen = [entries[position] for position in positions.tolist()]
        ids = np.array([entry.image_id for entry in chosen], dtype=np.str_)
        groups = None if self.source.groups is None else groups_of(chosen)
        return Images(decoded.pixels.take(positions), classes_of(chosen), ids, groups)

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
        """The images in the folders of all classes; where there are none, all that lie elsewhere.

        Raises DataError if the folder is missing.
        """
        nobody = Passed()
        folders = split_folders(_root(self.source, data_dir), nobody)
        found = []
        for split in folders:
            for folder in folders_with_images(split, self.source.groups):
                # One that may not be listed ("lost+found") is an error for whoever asks for that class.
                with contextlib.suppress(Malformed):
                    found += images_in(folder, folders.root, nobody)
        return found or list(images_below(folders.root))

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


def _encoded(parts: Sequence[Sequence[Entry]]) -> list[Encoded]:
    return [Encoded(os.fspath(entry.path), readable(entry.path)) for part in parts for entry in part]


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
