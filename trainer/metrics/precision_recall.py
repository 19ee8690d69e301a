"""The precision-recall curve of binary scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trainer.metrics.ranking import Floats, checked, rank, reason

# Points of a curve at most.
MOST = 500


class PrecisionRecallPoints(NamedTuple):
    """Thresholds [K], falling; recall [K], which does not fall, and precision [K], in [0, 1]."""

    thresholds: Floats
    recall: Floats
    precision: Floats


def precision_recall_points(
    targets: ArrayLike, scores: ArrayLike, *, most: int = MOST
) -> PrecisionRecallPoints:
    """Precision and recall of deciding at score >= threshold, from the highest score on.

    targets [N] 1 or 0; scores [N]. At most `most` points, from 2: of points of equal recall the first and the
    last, and of more than `most` these, evenly many apart, with both ends. No point where the curve is
    undefined: without positives or negatives, or where a score is NaN.

    >>> points = precision_recall_points([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    >>> points.thresholds.tolist(), points.recall.tolist(), points.precision.round(2).tolist()
    ([0.9, 0.8, 0.7, 0.1], [0.5, 0.5, 1.0, 1.0], [1.0, 0.5, 0.67, 0.5])
    """
    positive, rows = checked(targets, scores)
    if reason(positive, rows) is not None:
        return PrecisionRecallPoints(np.zeros(0), np.zeros(0), np.zeros(0))
    ranking = rank(positive, rows)
    ends = ranking.ends[0]
    found, wrong = ranking.true_positives[0, ends], ranking.false_positives[0, ends]
    # Between the first and the last of equal recall the curve falls straight down.
    alone = np.ones(len(found), dtype=np.bool_)
    alone[1:-1] = (found[1:-1] != found[:-2]) | (found[1:-1] != found[2:])
    places = np.flatnonzero(alone)
    if len(places) > most:
        places = places[np.unique(np.linspace(0, len(places) - 1, most).round().astype(np.int64))]
    return PrecisionRecallPoints(
        ranking.scores[0, ends][places],
        found[places] / ranking.positives,
        found[places] / (found[places] + wrong[places]),
    )
