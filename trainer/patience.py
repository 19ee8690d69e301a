"""Early stopping of a replicate by its own validation AUROC."""

from __future__ import annotations

import math
from collections.abc import Sequence


def epochs_without_gain(aurocs: Sequence[float]) -> int:
    """How many epochs ago the last strictly better validation AUROC was; `aurocs` has one at least.

    An undefined AUROC (NaN) is the lowest of all.

    >>> epochs_without_gain([0.5, 0.6, 0.6, float("nan")]), epochs_without_gain([0.5, 0.6])
    (2, 0)
    """
    ordered = [-math.inf if math.isnan(auroc) else auroc for auroc in aurocs]
    return len(ordered) - 1 - ordered.index(max(ordered))
