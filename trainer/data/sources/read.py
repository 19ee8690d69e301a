"""One door to all readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search_spaces.config import Cifar10, Cifar100, ClassLabel, Digits, MedMnist, Source
from search_spaces.errors import DataError
from trainer.data.sources.cifar import cifar_files, read_cifar
from trainer.data.sources.digits import read_digits
from trainer.data.sources.folder import folder_files, read_folder
from trainer.data.sources.images import RawData
from trainer.data.sources.medmnist import medmnist_files, read_medmnist


def read_source(
    source: Source, asked: Sequence[ClassLabel], data_dir: Path | None, *, download: bool
) -> RawData:
    """Read the images of the asked classes of a data set.

    `data_dir` holds the data set's folder or is that folder; digits need none. Raises DataError if files
    are missing or malformed, or for an unknown class label.
    """
    if isinstance(source, Digits):
        return read_digits(asked)
    if data_dir is None:
        raise DataError(f"data set {source.name}: expected a data directory (--data-dir), given none")
    if isinstance(source, Cifar10 | Cifar100):
        return read_cifar(source.name, asked, data_dir, download=download)
    if isinstance(source, MedMnist):
        return read_medmnist(source.subset, asked, data_dir)
    return read_folder(source, asked, data_dir)


def source_files(source: Source, data_dir: Path | None) -> list[Path]:
    """The files that `read_source` would decode; none for digits, and for CIFAR while it is not there.

    Raises DataError if other data sets are missing, or no data directory is given for them.
    """
    if isinstance(source, Digits):
        return []
    if data_dir is None:
        raise DataError(f"data set {source.name}: expected a data directory (--data-dir), given none")
    if isinstance(source, Cifar10 | Cifar100):
        return cifar_files(source.name, data_dir)
    if isinstance(source, MedMnist):
        return medmnist_files(source.subset, data_dir)
    return folder_files(source, data_dir)
