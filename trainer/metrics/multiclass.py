"""Metrics of several classes, of logits [rows, N, K] against the index of the true class [N].

Everything depends on differences of an example's logits alone: cross-entropy leaves a constant per example
free. What does not depend on a threshold is scikit-learn's.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.ranking import Floats


def log_odds(logits: Floats, of: int) -> Floats:
    """The log-odds [..., N] of class `of`: s^c - logsumexp of the other classes' logits [..., N, K].

    For two classes it is the difference of the two logits, which is the binary logit.

    >>> log_odds(np.array([[0.0, 2.0]]), of=1).tolist()
    [2.0]
    """
    others = np.delete(logits, of, axis=-1)
    odds: Floats = logits[..., of] - np.logaddexp.reduce(others, axis=-1)
    return odds


def decisions(logits: Floats) -> NDArray[np.int64]:
    """The class [..., N] of the highest logit, of equal ones the first."""
    decided: NDArray[np.int64] = np.argmax(logits, axis=-1)
    return decided


def confidences(logits: Floats) -> Floats:
    """The softmax probability [..., N] of the class that is decided for."""
    highest = logits.max(axis=-1)
    found: Floats = np.exp(highest - np.logaddexp.reduce(logits, axis=-1))
    return found


def macro_f1(targets: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> float:
    """The mean over classes of F1, in [0, 1]; 0 for a class that is neither there nor decided for."""
    from sklearn.metrics import f1_score

    known = range(classes)
    return float(f1_score(targets, decided, labels=list(known), average="macro", zero_division=0))


def balanced_accuracy(targets: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> float:
    """The mean over classes of recall, in [0, 1]; NaN where a class has no example.

    It is a ratio of whole numbers, rounded once, so that equal decisions tie.

    >>> balanced_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
    0.75
    """
    sizes = np.bincount(targets, minlength=classes)
    hits = np.bincount(targets[targets == decided], minlength=classes)
    if not sizes.all():
        return math.nan
    total = Fraction(0)
    for hit, size in zip(hits.tolist(), sizes.tolist(), strict=True):
        total += Fraction(hit, size)
    return float(total / classes)


def confusion(targets: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many examples of each class (a row) are taken for each class (a column), [classes, classes].

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    from sklearn.metrics import confusion_matrix

    found = confusion_matrix(targets, decided, labels=list(range(classes)))
    return np.asarray(found, dtype=np.int64)


def recalls(targets: NDArray[np.int64], decided: NDArray[np.int64], classes: int) -> Floats:
    """Each class's recall [classes], in [0, 1]; NaN for a class without an example."""
    from sklearn.metrics import recall_score

    found = recall_score(targets, decided, labels=list(range(classes)), average=None, zero_division=np.nan)
    return np.asarray(found, dtype=np.float64)
