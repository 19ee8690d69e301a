"""Grey values become bytes by percentiles of the training pool, once it is known which images that is."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.pictures import digests
from trainer.data.sources.depth import Limits, between
from trainer.data.sources.images import Images
from trainer.data.splits import HeldOut, Splits
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
    data_set = config.source.title
    if not len(splits.pool.classes):
        raise DataError(
            f"{data_set}: expected training images to take percentiles of, found none besides validation and "
            f"test; {len(splits.copies):,} are copies of those"
        )
    low, high = (float(value) for value in np.percentile(splits.pool.pixels, percentiles))
    names = " and ".join(f"{percentile:g}" for percentile in percentiles)
    if not low < high:
        raise DataError(
            f"{data_set}: expected two values at the percentiles {names} of the training pool, found {low:g} "
            "at both"
        )
    log.info("%s: percentiles %s of the training pool are %g and %g", data_set, names, low, high)
    limits = Limits(low, high, depth)
    test = _held_out(splits.test, limits, ())
    taken = set(digests(test.images))
    validation = _held_out(splits.validation, limits, taken)
    if config.validates:
        task_arrays(config).check_split("validation", validation.images.classes, data_set)
    taken |= set(digests(validation.images))
    pool = _bytes(splits.pool, limits)
    kept = _without(pool, taken)
    copies = np.concatenate([splits.copies, np.delete(pool.ids, kept)])
    scaled = replace(splits, pool=pool.take(kept), validation=validation, test=test, copies=copies)
    return scaled, limits


def _held_out(held_out: HeldOut, limits: Limits, taken: Collection[bytes]) -> HeldOut:
    images = _bytes(held_out.images, limits)
    kept = _without(images, taken)
    copies = np.concatenate([held_out.copies, np.delete(images.ids, kept)])
    return replace(held_out, images=images.take(kept), copies=copies)


def _bytes(images: Images, limits: Limits) -> Images:
    return replace(images, pixels=scaled_pixels(images.pixels, limits))


def scaled_pixels(stored: NDArray[np.float32], limits: Limits) -> NDArray[np.uint8]:
    """Images [N, C, H, W] of values as they are stored, as bytes."""
    pixels = np.empty(stored.shape, dtype=np.uint8)
    for row, values in enumerate(stored):  # one at a time: float64 needs eight times the memory
        pixels[row] = between(values, limits.low, limits.high)
    return pixels


def _without(images: Images, taken: Collection[bytes]) -> NDArray[np.int64]:
    kept = [row for row, digest in enumerate(digests(images)) if digest not in taken]
    return np.array(kept, dtype=np.int64)
