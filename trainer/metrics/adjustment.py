"""Logit adjustment after training: a decision rule over stored logits, which costs no training.

Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 9.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.multiclass import decisions, macro_f1
from trainer.metrics.ranking import Floats

# Of tau: 0 leaves decisions as they are, 1 is the source's for a network that knows the training shares.
GRID = tuple(round(0.1 * step, 1) for step in range(21))


def adjusted(logits: Floats, counts: Sequence[int], tau: float) -> Floats:
    """Logits z - tau log pi [..., K], pi_c = n_c / n the share of class c among the training examples.

    counts   [K], at least 1 each

    >>> adjusted(np.zeros((1, 2)), (75, 25), tau=1.0).round(3).tolist()
    [[0.288, 1.386]]
    """
    sizes = np.asarray(counts, dtype=np.float64)
    lowered: Floats = logits - tau * np.log(sizes / sizes.sum())
    return lowered


def chosen_tau(
    targets: NDArray[np.int64], logits: Floats, counts: Sequence[int], grid: Sequence[float] = GRID
) -> float:
    """The tau of the grid whose decisions have the highest macro F1; of equal ones the first.

    targets   [N], of the validation split
    logits    [N, K], likewise
    counts    [K], training examples of each class

    >>> chosen_tau(np.array([0, 0, 1]), np.array([[2.0, 0], [2.0, 0], [0.5, 0]]), (80, 20))
    0.4
    """
    best, highest = grid[0], -1.0
    for tau in grid:
        value = macro_f1(targets, decisions(adjusted(logits, counts, tau)), len(counts))
        if value > highest:
            best, highest = tau, value
    return best
