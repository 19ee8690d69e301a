"""Mosaics of 2 x 2 images of another data set: label sets with prevalences that are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, Mosaic
from search_spaces.errors import DataError
from trainer.data.sources.images import Images, Listing, Origin, RawData, check_known
from trainer.data.sources.read import read_source, source_files
from trainer.data.sources.reader import Reader
from trainer.seeds import seed_for
from trainer.tasks.label_sets import strata

_SEED = 0
_SIDE = 2
_TILES = _SIDE * _SIDE


class MosaicReader(Reader[Mosaic]):
    """See `Mosaic`. The same mosaics every time: they follow from the configuration and the tiles' ids.

    The tiles' own test images are those of the test split, where there are any; else, and for training and
    validation in any case, each class's images are divided in proportion to how many mosaics are asked for.
    """

    def read(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> RawData:
        """The mosaics, with the asked labels. Raises DataError where a class has too few tiles."""
        tiles = self.source.tiles_of
        every = tiles.classes_told.every
        positions = self._positions(asked)
        raw = read_source(tiles, every, data_dir, download=download)
        found: dict[Origin, Images] = {}
        for split, (images, chosen) in self._tiles(raw).items():
            sets = self._sets(split)
            pixels = self._assembled(images, chosen, sets, split)
            found[split] = Images(pixels, sets[:, positions], np.arange(len(sets)))
        return RawData(found["train"], found["validation"], found["test"])

    def listing(self, asked: Sequence[ClassLabel], data_dir: Path, *, download: bool) -> Listing:
        """See `Reader`; labels follow from the configuration."""
        positions = self._positions(asked)
        train, validation, test = (
            self._sets(split)[:, positions] for split in ("train", "validation", "test")
        )
        if self.source.needs_files and not download:
            self.files(data_dir)
        return Listing(train, validation, test)

    def files(self, data_dir: Path) -> list[Path]:
        """Those of the tiles."""
        return source_files(self.source.tiles_of, data_dir if self.source.needs_files else None)

    def _positions(self, asked: Sequence[ClassLabel]) -> list[int]:
        check_known(asked, self.source.classes, self.source.title)
        return [self.source.classes.index(label) for label in asked]

    def _sets(self, split: Origin) -> NDArray[np.uint8]:
        """Which labels each mosaic of a split has, [N, labels]."""
        drawn = _uniform(f"labels/{split}", getattr(self.source, split), len(self.source.classes))
        return (drawn < np.array(self.source.prevalences)).astype(np.uint8)

    def _tiles(self, raw: RawData) -> dict[Origin, tuple[Images, NDArray[np.int64]]]:
        """The images that tiles of each split are taken of, and the positions of its own among them."""
        splits: list[Origin] = ["train", "validation"]
        found: dict[Origin, tuple[Images, NDArray[np.int64]]] = {}
        if raw.test is None:
            splits.append("test")
        else:
            found["test"] = raw.test, np.arange(len(raw.test.classes))
        wanted = np.array([getattr(self.source, split) for split in splits], dtype=np.float64)
        ends = np.cumsum(wanted / wanted.sum())[:-1]
        parts: dict[Origin, list[NDArray[np.int64]]] = {split: [] for split in splits}
        count = int(raw.train.classes.max(initial=0)) + 1
        for members in strata(raw.train.classes, count).members:
            ranks = [seed_for(_SEED, f"mosaic/tile/{name}") for name in raw.train.ids[members].tolist()]
            order = members[np.argsort(ranks, kind="stable")]
            for split, part in zip(
                splits, np.split(order, np.rint(ends * len(order)).astype(int)), strict=True
            ):
                parts[split].append(part)
        for split, several in parts.items():
            found[split] = raw.train, np.sort(np.concatenate(several))
        return {split: found[split] for split in ("train", "validation", "test")}

    def _assembled(
        self, tiles: Images, own: NDArray[np.int64], sets: NDArray[np.uint8], split: Origin
    ) -> NDArray[np.uint8]:
        """The pixels [N, C, 2 S, 2 S] of mosaics with these labels, of the tiles at the positions `own`."""
        count = len(sets)
        every = self.source.tiles_of.classes_told.every
        classes = tiles.classes[own]
        positions = [every.index(label) for label in self.source.classes]
        which = _uniform(f"tiles/{split}", count, _TILES)
        # The first tiles are the labels', the others of classes that are none.
        chosen = _pick(own[~np.isin(classes, positions)], which, split)
        for column, position in enumerate(positions):
            there = sets[:, column] == 1
            chosen[there, column] = _pick(own[classes == position], which[there, column], split)
        places = np.argsort(_uniform(f"places/{split}", count, _TILES), axis=1, kind="stable")
        chosen = np.take_along_axis(chosen, places, axis=1)
        channels, size = tiles.pixels.shape[1:3]
        pixels = np.asarray(tiles.pixels)[chosen].reshape(count, _SIDE, _SIDE, channels, size, size)
        joined = pixels.transpose(0, 3, 1, 4, 2, 5).reshape(count, channels, _SIDE * size, _SIDE * size)
        return np.ascontiguousarray(joined)


def _uniform(purpose: str, rows: int, columns: int) -> NDArray[np.float64]:
    """Numbers in [0, 1), [rows, columns], for one purpose."""
    return np.random.Generator(np.random.PCG64(seed_for(_SEED, f"mosaic/{purpose}"))).random((rows, columns))


def _pick(among: NDArray[np.int64], which: NDArray[np.float64], split: Origin) -> NDArray[np.int64]:
    """Some of `among`, by numbers in [0, 1), of the numbers' shape. Raises DataError where there is none."""
    if not len(among) and which.size:
        raise DataError(f"mosaics: expected tiles of every class for the {split} split, found none of one")
    if not which.size:
        return np.zeros(which.shape, dtype=np.int64)
    found: NDArray[np.int64] = among[(which * len(among)).astype(np.int64)]
    return found
