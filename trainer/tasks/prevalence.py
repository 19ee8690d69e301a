"""How many examples of each label set are kept, so that labels have the shares that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.ranking import Floats

_ROUNDS = 2000
_NEAR = 1e-9


def keeping(sets: NDArray[np.uint8], sizes: Sequence[int], shares: Mapping[int, float]) -> Floats | None:
    """The share of each label set's examples that is kept, [S] in [0, 1], so that labels have `shares`.

    sets     [S, L], the labels of each set
    sizes    [S], how many examples each has
    shares   of the label at a position, above 0 and below 1; other labels come out as they may

    Raking (Deming and Stephan, Annals of Mathematical Statistics 1940): for each label in turn the sets with
    it are weighed up and those without it down, until all shares hold. Of all ways to that end it changes the
    mixture of the sets least, and it is scaled so that the largest share is 1. For one label that is cut, its
    examples alone are thinned. None where no examples that are kept could have these shares.

    >>> keeping(np.array([[1], [0]], dtype=np.uint8), [50, 90], {0: 0.1}).tolist()
    [0.2, 1.0]
    """
    weights = np.ones(len(sets))
    counts = np.asarray(sizes, dtype=np.float64)
    if not counts.any():
        return None
    for _ in range(_ROUNDS):
        farthest = 0.0
        for position, share in shares.items():
            having = sets[:, position] == 1
            kept = weights * counts
            now = kept[having].sum() / kept.sum()
            if not 0 < now < 1:
                return None
            farthest = max(farthest, abs(now - share))
            weights[having] *= share / now
            weights[~having] *= (1 - share) / (1 - now)
        # Scaled as they are now: what a label wants less of would else fade to nothing over many rounds.
        weights /= weights[counts > 0].max()
        if farthest < _NEAR:
            return np.minimum(weights, 1.0).round(12).astype(np.float64)
    return None


def whole_counts(sets: NDArray[np.uint8], wanted: Sequence[float], sizes: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers near `wanted` [S], each at most its set's size: rounded so that labels' sums stay near.

    The largest sets first, each is rounded up or down, whichever keeps the sums over the labels, and over
    all, nearer to what is wanted of the sets so far.

    >>> whole_counts(np.array([[1, 0], [1, 1], [0, 1]], dtype=np.uint8), [1.5, 1.5, 1.5], [3, 3, 3])
    (1, 2, 1)
    """
    counts = [0] * len(wanted)
    labels = np.hstack([sets.astype(np.float64), np.ones((len(sets), 1))])
    behind = np.zeros(labels.shape[1])
    for place in sorted(range(len(wanted)), key=lambda one: (-wanted[one], one)):
        low = int(np.floor(wanted[place] + _NEAR))
        short = behind + labels[place] * (wanted[place] - low)
        over = short - labels[place]
        up = low < sizes[place] and wanted[place] - low > _NEAR and over @ over < short @ short - _NEAR
        counts[place] = low + int(up)
        behind = over if up else short
    return tuple(counts)
