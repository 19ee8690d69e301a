"""Several classes, two of them critical and rare, with each of the constraint's two extensions."""

from __future__ import annotations

from search_spaces.reading import Reading
from search_spaces.space import Axes, SearchSpace, product


def digits_multiclass() -> SearchSpace:
    """Cross-entropy on ten digits in a long tail, 8 and 9 critical, without and with the constraint.

    Two penalties and two margins compete in each of the rows with a constraint: 1 + 2 x 4 trials.
    """
    task: Axes = {
        "dataset": ["digits-longtail"],
        "ratio": [10],
        "loss": ["cross_entropy"],
        "seeds": [[1, 2, 3, 4, 5, 6]],
    }
    constraints: Axes = {
        "constraint": ["ALM_14_beg", "ALM_16_beg"],
        "delta": [0.25, 1.0],
        "constraint.comparison": ["one_vs_rest", "pairwise"],
    }
    rows = Reading(rows=("loss", "constraint", "constraint.comparison"))
    description = "Ten digits in a long tail, 8 and 9 critical; needs no download, runs in a minute or two"
    return SearchSpace.of("digits-multiclass", product(task) + product(task, constraints), description, rows)
