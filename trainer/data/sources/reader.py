"""What reads a source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

from search_spaces.config import ClassLabel, Source
from trainer.data.decoding.encoded import Encoded
from trainer.data.sources.images import Listing, RawData

S = TypeVar("S", bound=Source)
# Mean and deviation per channel, in 0..1 units.
Statistics = tuple[tuple[float, ...], tuple[float, ...]]


class Reader(ABC, Generic[S]):
    """Reads one source's images. Where it needs no files, `data_dir` may be any folder."""

    def __init__(self, source: S) -> None:
        self.source = source

    @abstractmethod
    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The images of the asked classes.

        Raises DataError if files are missing or malformed, or for an unknown class label.
        """

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """What labels tell of what `read` would give; without decoding an image, where a reader can.

        With `download`, as `read` does. Raises DataError for what labels tell, as `read` does.
        """
        return self.read(asked, data_dir, download=download).listing()

    def files(self, data_dir: Path) -> list[Path]:
        """The files that `read` would decode; none while they are to be downloaded.

        By them a decoded copy is known to be up to date; without any the source is decoded by every process.
        Raises DataError if they are missing.
        """
        return []

    def encoded(self, asked: Sequence[ClassLabel], data_dir: Path) -> list[Encoded]:
        """The encoded images that `read` would decode; none of a source that holds them as arrays.

        Raises DataError for what labels tell, as `read` does.
        """
        return []

    @property
    def statistics(self) -> Statistics | None:
        """By what images are normalised; None for the statistics of the training pool."""
        return None
