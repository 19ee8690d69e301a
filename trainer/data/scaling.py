"""Grey values become bytes by percentiles of the training pool, once it is known which images that is."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.decoding.image_map import changed_map
from trainer.data.percentiles import percentiles_of
from trainer.data.pictures import digests, without
from trainer.data.pixels import Pixels, pixels_of
from trainer.data.sources.depth import Limits, between
from trainer.data.sources.images import Images
from trainer.data.splits import Splits
from trainer.tasks.base import task_arrays

log = logging.getLogger(__name__)


def scale_by_percentiles(
    splits: Splits, percentiles: tuple[float, float], depth: str, config: Task
) -> tuple[Splits, Limits]:
    """The splits as bytes: the two percentiles of all values of the pool's images become 0 and 255.

    Also returns these two values. Pictures that only become equal by that are copies too: those of a test or
    validation image leave the pool, those of a test image the validation split. Raises DataError if both
    percentiles are one value, if there are no training images, and if such copies take from validation what
    the task's metrics need.
    """
    limits = _limits(splits, percentiles, depth, config.source.title)
    scaler = _Scaler(limits)
    test = replace(splits.test, images=scaler.scaled(splits.test.images))
    taken = set(digests(test.images))
    images, same = _parted(scaler.scaled(splits.validation.images), taken)
    copies = np.concatenate([splits.validation.copies, same])
    validation = replace(splits.validation, images=images, copies=copies)
    if config.validates:
        task_arrays(config).check_split("validation", images.classes, config.source.title)
    taken |= set(digests(images))
    pool, same = _parted(scaler.scaled(splits.pool), taken)
    copies = np.concatenate([splits.copies, same])
    return replace(splits, pool=pool, validation=validation, test=test, copies=copies), limits


def _limits(splits: Splits, percentiles: tuple[float, float], depth: str, data_set: str) -> Limits:
    if not len(splits.pool.classes):
        raise DataError(
            f"{data_set}: expected training images to take percentiles of, found none besides validation and "
            f"test; {len(splits.copies):,} are copies of those"
        )
    low, high = percentiles_of(pixels_of(splits.pool.pixels), percentiles)
    names = " and ".join(f"{percentile:g}" for percentile in percentiles)
    if not low < high:
        raise DataError(
            f"{data_set}: expected two values at the percentiles {names} of the training pool, found {low:g} "
            "at both"
        )
    log.info("%s: percentiles %s of the training pool are %g and %g", data_set, names, low, high)
    return Limits(low, high, depth)


def _parted(images: Images, taken: Collection[bytes]) -> tuple[Images, NDArray[Any]]:
    """The images without those whose picture is taken, and the ids of these."""
    kept = without(np.arange(len(images.classes)), digests(images), taken)
    return images.take(kept), np.delete(images.ids, kept)


class _Scaler:
    """Scales the images of splits, which are rows of one array, or of a few: each of these once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[int, Pixels] = {}

    def scaled(self, images: Images) -> Images:
        """The images as bytes."""
        stored = pixels_of(images.pixels)
        if id(stored.base) not in self._known:
            self._known[id(stored.base)] = scaled_images(stored, self._limits)
        whole = self._known[id(stored.base)]
        return replace(images, pixels=replace(whole, rows=stored.rows))


def scaled_images(stored: Pixels, limits: Limits) -> Pixels:
    """All rows of an array of values as bytes: beside the map that they lie in, else in memory."""
    whole = replace(stored, rows=None)
    if stored.file is not None:
        return changed_map(
            stored.file, whole, "scaled", list(limits), lambda chunk: scaled_pixels(chunk, limits)
        )
    pixels = np.empty(whole.shape, dtype=np.uint8)
    first = 0
    for chunk in whole.chunks():
        pixels[first : first + len(chunk)] = scaled_pixels(chunk, limits)
        first += len(chunk)
    return Pixels(pixels)


def scaled_pixels(stored: NDArray[np.float32], limits: Limits) -> NDArray[np.uint8]:
    """Images [N, C, H, W] of values as they are stored, as bytes."""
    pixels = np.empty(stored.shape, dtype=np.uint8)
    for row, values in enumerate(stored):  # one at a time: float64 needs eight times the memory
        pixels[row] = between(values, limits.low, limits.high)
    return pixels
