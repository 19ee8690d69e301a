"""Which examples a replicate trains on: those that its seed draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.seeds import draw


def draw_subset(
    ids: NDArray[np.int64] | NDArray[np.str_],
    members: Sequence[NDArray[np.int64]],
    counts: Sequence[int],
    seed: int,
) -> NDArray[np.int64]:
    """Sorted positions of a seed's training subset.

    Of each class c they are `counts[c]` of the positions `members[c]`.
    Seeds draw independently. A higher ratio's positives are among a lower ratio's.
    """
    drawn = [m[draw(ids[m], n, seed=seed, purpose="subset")] for m, n in zip(members, counts, strict=True)]
    return np.sort(np.concatenate(drawn))
