"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): original files, Parquet files, or downloaded."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Cifar10, Cifar100, ClassLabel
from search_spaces.errors import DataError
from trainer.data.sources.cifar_pickle import read_batch, read_entry
from trainer.data.sources.faults import Faults
from trainer.data.sources.groups import GroupFinder, finder_of, group_array
from trainer.data.sources.images import (
    Images,
    Listing,
    Origin,
    Passed,
    RawData,
    asked_classes,
    check_known,
    class_positions,
    select_images,
)
from trainer.data.sources.parquet import (
    other_parquet_files,
    parquet_files,
    read_parquet,
    read_parquet_groups,
    read_parquet_labels,
)
from trainer.data.sources.reader import Reader, Statistics

log = logging.getLogger(__name__)

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")
SHAPE = (3, 32, 32)
# The Parquet files of train and of test.
_Files = tuple[list[Path], list[Path]]
# Mean and deviation of the training images, per channel, in 0..1 units, as in the paper's code.
MEAN: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
STD: tuple[float, ...] = (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True)
class _Layout:
    """Where a CIFAR's files lie and what they call their labels."""

    classes: int
    folder: str
    batches: dict[Split, tuple[str, ...]]
    batch_labels: str
    column: str
    torchvision: str


_LAYOUTS: dict[str, _Layout] = {
    "cifar10": _Layout(
        10,
        "cifar-10-batches-py",
        {"train": tuple(f"data_batch_{n}" for n in range(1, 6)), "test": ("test_batch",)},
        "labels",
        "label",
        "CIFAR10",
    ),
    "cifar100": _Layout(
        100,
        "cifar-100-python",
        {"train": ("train",), "test": ("test",)},
        "fine_labels",
        "fine_label",
        "CIFAR100",
    ),
}


class CifarReader(Reader[Cifar10 | Cifar100]):
    """Reads the original files or Parquet files, from `<data dir>/<name>` or from the data directory.

    CIFAR has a test split and no validation split.
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes.

        With `download`, missing files are fetched to `<data dir>/<name>` (torchvision checks their hash).
        Raises DataError if files are missing or malformed, or for an unknown class label.
        """
        name = self.source.name
        layout = _LAYOUTS[name]
        check_known(asked, range(layout.classes), name)
        found = self._found(data_dir, download=download)
        groups = self._groups(found, asked)
        if isinstance(found, Path):
            train, test = (_read_batches(found, layout, split, asked) for split in SPLITS)
            return RawData(_grouped(train, groups, "train"), None, _grouped(test, groups, "test"))
        passed, faults = Passed(), Faults(name)
        train, test = (read_parquet(files, layout.column, asked, SHAPE, faults, passed) for files in found)
        faults.check()
        other_parquet_files([*found[0], *found[1]], passed)
        train, test = _grouped(train, groups, "train"), _grouped(test, groups, "test")
        return RawData(train, None, test, passed.left_out())

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`; of Parquet files only the labels are read."""
        name = self.source.name
        layout = _LAYOUTS[name]
        check_known(asked, range(layout.classes), name)
        found = self._found(data_dir, download=download)
        groups = self._groups(found, asked)
        if isinstance(found, Path):
            train, test = (_read_labels(found, layout, split, asked) for split in SPLITS)
            return Listing(train, None, test, groups=groups)
        passed = Passed()
        train, test = (read_parquet_labels(files, layout.column, asked, passed) for files in found)
        other_parquet_files([*found[0], *found[1]], passed)
        return Listing(train, None, test, passed.left_out(), groups)

    def _groups(self, found: Path | _Files, asked: Sequence[ClassLabel]) -> dict[Origin, NDArray[np.str_]]:
        """The groups of the asked classes' images in each split; none of a source without."""
        finder, layout = finder_of(self.source), _LAYOUTS[self.source.name]
        groups: dict[Origin, NDArray[np.str_]] = {}
        if finder is None:
            return groups
        for position, split in enumerate(SPLITS):
            if isinstance(found, Path):
                groups[split] = _groups_of_batches(found, layout, split, asked, finder)
            else:
                groups[split] = read_parquet_groups(found[position], layout.column, asked, finder)
        finder.check()
        return groups

    def _found(self, data_dir: Path, *, download: bool) -> Path | _Files:
        """Where the files lie (see `_find`). Raises DataError where they do not."""
        name = self.source.name
        found = _find(name, data_dir)
        if found is None and download:
            _download(_LAYOUTS[name], data_dir / name)
            found = _find(name, data_dir)
        if found is None:
            raise DataError(
                f"{name}: expected the folder {_LAYOUTS[name].folder} or train.parquet and test.parquet "
                f"below {data_dir / name} or {data_dir}, found neither; --download fetches the data set"
            )
        return found

    def files(self, data_dir: Path) -> list[Path]:
        """The files that `read` would decode; none when it would find nothing."""
        found = _find(self.source.name, data_dir)
        if found is None:
            return []
        if isinstance(found, Path):
            batches = _LAYOUTS[self.source.name].batches
            return [found / batch for batch in (*batches["train"], *batches["test"])]
        train, test = found
        return [*train, *test]

    @property
    def statistics(self) -> Statistics:
        """The published ones of the training images."""
        return MEAN, STD


def _find(name: str, data_dir: Path) -> Path | _Files | None:
    """The folder of the original files, or the Parquet files of train and test."""
    layout = _LAYOUTS[name]
    for root in (data_dir / name, data_dir):
        for folder in (root / layout.folder, root):
            if folder.name == layout.folder and folder.is_dir():
                return folder
        for folder in (root, root / "data", root / "plain_text", root / name):
            files = parquet_files(folder, "train"), parquet_files(folder, "test")
            if all(files):
                return files
    return None


def _read_labels(
    folder: Path, layout: _Layout, split: Split, asked: Sequence[ClassLabel]
) -> NDArray[np.int64]:
    found = []
    for batch in layout.batches[split]:
        found.append(asked_classes(read_batch(folder / batch, layout.batch_labels)[1], asked))
    return np.concatenate(found)


def _read_batches(folder: Path, layout: _Layout, split: Split, asked: Sequence[ClassLabel]) -> Images:
    pixels, labels = [], []
    for batch in layout.batches[split]:
        its_pixels, its_labels = read_batch(folder / batch, layout.batch_labels)
        pixels.append(its_pixels)
        labels.append(its_labels)
    return select_images(np.concatenate(pixels), np.concatenate(labels), asked)


def _groups_of_batches(
    folder: Path, layout: _Layout, split: Split, asked: Sequence[ClassLabel], finder: GroupFinder
) -> NDArray[np.str_]:
    """By an entry beside the labels, or by the images' file names."""
    groups = []
    for batch in layout.batches[split]:
        path = folder / batch
        labels, values = read_entry(path, layout.batch_labels, finder.groups.column or "filenames")
        for image in np.flatnonzero(class_positions(labels, asked) >= 0).tolist():
            groups.append(finder.group_of(values[image], f"{batch} image {image}"))
    return group_array(groups)


def _grouped(images: Images, groups: Mapping[Origin, NDArray[np.str_]], split: Split) -> Images:
    return replace(images, groups=groups.get(split))


def _download(layout: _Layout, root: Path) -> None:
    """Fetch the original files to a folder of their own and move them into place when they are complete.

    So neither an interrupted download nor another process that fetches at the same time leaves half a data
    set.
    """
    from trainer.compat import import_torchvision_datasets

    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="download-", dir=root) as scratch:
            log.info("downloading %s to %s", layout.torchvision, root)
            getattr(import_torchvision_datasets(), layout.torchvision)(root=scratch, download=True)
            if not (root / layout.folder).exists():
                shutil.move(Path(scratch) / layout.folder, root / layout.folder)
    except (OSError, RuntimeError, ImportError) as error:
        if not (root / layout.folder).is_dir():
            raise DataError(f"could not download {layout.torchvision} to {root}: {error}") from error
