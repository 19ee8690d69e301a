"""The images of a source's files, decoded: what is wrong with any of them, and what is done about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import BadFiles, Percentiles, Scaling
from search_spaces.errors import DataError
from trainer.data.decoding.encoded import Encoded, Form
from trainer.data.decoding.image_map import decode_images
from trainer.data.pixels import Pixels
from trainer.data.sources.faults import Faults, Unreadable, some_of
from trainer.data.sources.images import LeftOut

log = logging.getLogger(__name__)

# The brightest value of 12 bits in 16 is 16.
_DARK = 31


@dataclass(frozen=True)
class Wanted:
    """How the images of a source are decoded.

    title     what the data set is called in messages: "image folder scans"
    part_of   JSON that tells the data set, and which of its images (see `decode_images`)
    """

    title: str
    part_of: object
    channels: int
    size: int
    scaling: Scaling
    bad_files: BadFiles

    @property
    def percentiles(self) -> tuple[float, float] | None:
        """Those of the scaling, where it is by percentiles."""
        return self.scaling.percentiles if isinstance(self.scaling, Percentiles) else None


@dataclass(frozen=True)
class DecodedSource:
    """The images in the order in which they were given.

    kept     which of them can be read, positions
    depth    "16-bit", of values that are to be scaled by percentiles
    unread   those that cannot be read, by reason
    """

    pixels: Pixels
    kept: NDArray[np.int64]
    depth: str
    unread: tuple[LeftOut, ...]


def decode_source(wanted: Wanted, images: Sequence[Encoded]) -> DecodedSource:
    """Decode the images of a source.

    Raises DataError about all images that cannot be read unless these are to be skipped, and for values that
    no one scale can hold. Images that are all dark are logged as a warning: little is left of their levels.
    """
    form = Form(wanted.channels, wanted.size, raw=wanted.percentiles is not None)
    decoded = decode_images(wanted.title, wanted.part_of, form, images)
    told = decoded.told
    if wanted.bad_files == "stop":
        faults = Faults(wanted.title)
        faults.add(
            (Unreadable(where, reason, detail) for _, where, reason, detail in told.faults), len(images)
        )
        faults.check()
    if wanted.percentiles is None and told.brightest <= _DARK:
        log.warning(
            "%s: no value is above %d of 255; where files hold 12 bits in 16, "
            "scaling: {percentiles: [1, 99]} uses the whole range",
            wanted.title,
            told.brightest,
        )
    if len(told.depths) > 1:
        found = ", ".join(f"{number:,} {name}" for name, number in told.depths.most_common())
        raise DataError(
            f"{wanted.title}: expected images of one depth to be scaled by percentiles, found {found}"
        )
    bad = [row for row, *_ in told.faults]
    kept = np.setdiff1d(np.arange(len(images)), np.array(bad, dtype=np.int64))
    depth = next(iter(told.depths), "8-bit")
    return DecodedSource(decoded.pixels, kept, depth, _left_out(wanted.title, told.faults))


def _left_out(title: str, faults: Sequence[tuple[int, str, str, str]]) -> tuple[LeftOut, ...]:
    """Images that are skipped, by reason, with some of their names; all of them are logged."""
    by_reason: dict[str, list[str]] = {}
    for _, where, reason, detail in faults:
        log.info("%s: skipped %s: an image %s%s", title, where, reason, f": {detail}" if detail else "")
        by_reason.setdefault(reason, []).append(where)
    return tuple(named_left_out(f"images {reason} (skipped)", names) for reason, names in by_reason.items())


def named_left_out(reason: str, names: Sequence[str]) -> LeftOut:
    """What is left out for a reason, with some of the names."""
    return LeftOut(reason, len(names), some_of(names))


def split_positions(sizes: Sequence[int], kept: NDArray[np.int64]) -> list[NDArray[Any]]:
    """The kept positions of each of several parts that were decoded one behind the other.

    >>> [part.tolist() for part in split_positions([2, 3], np.array([0, 2, 4]))]
    [[0], [2, 4]]
    """
    bounds = np.searchsorted(kept, np.cumsum(sizes)[:-1])
    return np.split(kept, bounds)
