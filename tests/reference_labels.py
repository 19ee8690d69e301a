"""Slow, obvious versions of the losses of label sets, as `tests.reference`: literal, in decimal arithmetic.

The logits of all examples stand one after another, L of each, and so do the targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from tests.reference import Loss, Number, one_minus_sigmoid, sigmoid

# A term of a logit, whether its example has the label, the label, and the labels that the example has.
Term = Callable[[Number, int, int, Sequence[int]], Number]


def per_label(labels: int, term: Term) -> Loss:
    """The mean over examples and labels of a term."""

    def loss(logits: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        total = Decimal(0)
        for i in range(len(targets) // labels):
            own = targets[i * labels : (i + 1) * labels]
            has = [label for label in range(labels) if own[label] == 1]
            for label in range(labels):
                total += term(logits[i * labels + label], own[label], label, has)
        return total / len(targets)

    return loss


def weighted_bce(weights: Sequence[Number]) -> Loss:
    def term(z: Number, y: int, label: int, has: Sequence[int]) -> Number:
        return -weights[label] * sigmoid(z).ln() if y else -one_minus_sigmoid(z).ln()

    return per_label(len(weights), term)


def weighted_focal(weights: Sequence[Number], gamma: float) -> Loss:
    g = Decimal(gamma)

    def term(z: Number, y: int, label: int, has: Sequence[int]) -> Number:
        if y:
            return -weights[label] * one_minus_sigmoid(z) ** g * sigmoid(z).ln()
        return -(sigmoid(z) ** g) * one_minus_sigmoid(z).ln()

    return per_label(len(weights), term)


def focal_of_the_question(weights: Sequence[Number], gamma: float, epsilon: float) -> Loss:
    """As the third document has it: alpha times (1 - p_t)^g log(p_t + epsilon)."""

    def term(z: Number, y: int, label: int, has: Sequence[int]) -> Number:
        p = sigmoid(z)
        p_t = p if y else one_minus_sigmoid(z)
        other = one_minus_sigmoid(z) if y else p
        return -weights[label] * other ** Decimal(gamma) * (p_t + Decimal(epsilon)).ln()

    return per_label(len(weights), term)


def asymmetric(labels: int, gamma_positive: float, gamma_negative: float, margin: float) -> Loss:
    def term(z: Number, y: int, label: int, has: Sequence[int]) -> Number:
        if y:
            return -(one_minus_sigmoid(z) ** Decimal(gamma_positive)) * sigmoid(z).ln()
        q = max(sigmoid(z) - Decimal(margin), Decimal(0))
        return -(q ** Decimal(gamma_negative)) * (1 - q).ln()

    return per_label(labels, term)


def distribution_balanced(
    counts: Sequence[int], examples: int, a: float, b: float, m: float, scale: float, shift: float
) -> Loss:
    def term(z: Number, y: int, label: int, has: Sequence[int]) -> Number:
        weight = Decimal(a) + 1
        if has:
            expected = sum(1 / Decimal(counts[other]) for other in has)
            ratio = 1 / Decimal(counts[label]) / expected
            weight = Decimal(a) + 1 / (1 + (-Decimal(b) * (ratio - Decimal(m))).exp())
        p = Decimal(counts[label]) / examples
        lowered = z - Decimal(shift) * (1 / p - 1).ln()
        if y:
            return weight * (1 + (-lowered).exp()).ln()
        return weight * (1 + (Decimal(scale) * lowered).exp()).ln() / Decimal(scale)

    return per_label(len(counts), term)
