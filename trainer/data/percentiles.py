"""Percentiles of more values than memory holds: exact, in two passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.pixels import Pixels

_BITS = 16
_BINS = 2**_BITS


def percentiles_of(pixels: Pixels, percentiles: Sequence[float]) -> tuple[float, ...]:
    """Percentiles (0 to 100) of all values of float32 images, as `numpy.percentile` gives them.

    Between two values they are interpolated. There is at least one value, and none is NaN.
    """
    count = int(np.prod(pixels.shape, dtype=np.int64))
    found = []
    for percentile in percentiles:
        found.append(percentile / 100 * (count - 1))
    ranks = sorted({rank for place in found for rank in (int(place), min(int(place) + 1, count - 1))})
    values = _of_ranks(pixels, ranks)
    return tuple(_between(values, place, count) for place in found)


def _between(values: dict[int, np.float32], place: float, count: int) -> float:
    """The value at a place between two ranks, by NumPy's formula, which rounds so."""
    rank = int(place)
    low, high = values[rank], values[min(rank + 1, count - 1)]
    share = np.float64(place - rank)
    difference = high - low  # in float32
    if share >= 0.5:
        return float(high - difference * (1 - share))
    return float(low + difference * share)


def _of_ranks(pixels: Pixels, ranks: Sequence[int]) -> dict[int, np.float32]:
    """The values of these ranks (0 is the least) among all values.

    Floats are ordered as their bits are, once the sign's is turned: a pass counts the upper half of the bits,
    another, within the bins where the ranks fall, the lower half.
    """
    upper = np.zeros(_BINS, dtype=np.int64)
    for chunk in pixels.chunks():
        upper += np.bincount(_ordered(chunk) >> _BITS, minlength=_BINS)
    ends = np.cumsum(upper)
    bins = {rank: int(np.searchsorted(ends, rank, side="right")) for rank in ranks}
    lower = {one: np.zeros(_BINS, dtype=np.int64) for one in set(bins.values())}
    for chunk in pixels.chunks():
        keys = _ordered(chunk)
        for one, counts in lower.items():
            counts += np.bincount(keys[keys >> _BITS == one] & (_BINS - 1), minlength=_BINS)
    found = {}
    for rank, one in bins.items():
        within = rank - (int(ends[one]) - int(upper[one]))
        low = int(np.searchsorted(np.cumsum(lower[one]), within, side="right"))
        found[rank] = _float_of((one << _BITS) | low)
    return found


def _ordered(values: NDArray[Any]) -> NDArray[np.uint32]:
    """Whole numbers [n] in the order of float32 values of any shape."""
    bits = np.ascontiguousarray(values, dtype=np.float32).reshape(-1).view(np.uint32)
    is_negative = bits >> 31 == 1
    turned: NDArray[np.uint32] = np.where(is_negative, ~bits, bits | np.uint32(2**31))
    return turned


def _float_of(key: int) -> np.float32:
    bits = key ^ 2**31 if key >= 2**31 else key ^ (2**32 - 1)
    value: np.float32 = np.array([bits], dtype=np.uint32).view(np.float32)[0]
    return value
