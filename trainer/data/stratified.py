"""A share of examples with label sets, of which every label has its share: iterative stratification.

Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011, algorithm 1,
for two subsets, one that is held out and the rest. A unit is an example, or a whole group of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.ranking import Floats
from trainer.seeds import seed_for
from trainer.tasks.label_sets import Labels


def draw_stratified(
    sets: Labels, wanted: Floats, ids: NDArray[Any], *, seed: int, purpose: str
) -> NDArray[np.bool_]:
    """Which examples [N] are held out, of label sets [N, L].

    wanted   [L + 1], examples with each label, and examples in all
    ids      [N]; examples come in the order of `seed_for(seed, "<purpose>/<id>")`
    """
    ranks = [seed_for(seed, f"{purpose}/{name}") for name in ids.tolist()]
    return hold_out_units(sets.astype(np.float64), np.ones(len(sets)), wanted, ranks)


def hold_out_units(labels: Floats, sizes: Floats, wanted: Floats, ranks: Sequence[int]) -> NDArray[np.bool_]:
    """Which units [U] are held out.

    labels   [U, L], examples with each label in each unit
    sizes    [U], its examples
    wanted   [L + 1], examples with each label, and in all, that are to be held out
    ranks    [U], in which order units of a label come

    The label with the fewest examples left comes first; each of its units goes where most examples with the
    label are still wanted, of equal sides where most examples are, and what was wanted there shrinks by it.
    Units without a label come last.
    """
    every = np.hstack([labels, sizes[:, None]])  # [U, L + 1]
    desired = np.stack([wanted, every.sum(axis=0) - wanted])
    is_out, is_left = np.zeros(len(sizes), dtype=bool), np.ones(len(sizes), dtype=bool)
    order = np.argsort(np.asarray(ranks, dtype=np.int64), kind="stable")
    while is_left.any():
        left = labels[is_left].sum(axis=0)
        label = int(np.argmin(np.where(left > 0, left, np.inf))) if left.any() else -1
        for unit in order[is_left[order] & (every[order, label] > 0)].tolist():
            # Rounded, so that what is equal on paper is so here.
            held, rest = np.round(desired[:, [label, -1]], 9).tolist()
            side = 0 if held >= rest else 1
            desired[side] -= every[unit]
            is_out[unit], is_left[unit] = side == 0, False
    return is_out
