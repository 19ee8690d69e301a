"""Early stopping of a replicate by its own steering metric on the validation split."""

from __future__ import annotations

import math
from collections.abc import Sequence


def epochs_without_gain(values: Sequence[float]) -> int:
    """How many epochs ago the last strictly better value was; there is one at least.

    An undefined value (NaN) is the lowest of all.

    >>> epochs_without_gain([0.5, 0.6, 0.6, float("nan")]), epochs_without_gain([0.5, 0.6])
    (2, 0)
    """
    best = max(range(len(values)), key=lambda epoch: lowest_if_undefined(values[epoch]))
    return len(values) - 1 - best


def lowest_if_undefined(value: float) -> float:
    """The value as epochs are ordered by it: NaN below all others."""
    return -math.inf if math.isnan(value) else value
