"""Slow, obvious versions of the losses, the constraint and the operating points, to test against.

Written from the formulas of the paper's tables, literally (p, 1 - p, log, loops over pairs), in 60-digit
decimal arithmetic, where no cancellation or overflow of double precision occurs: 1 - sigmoid(s) is written
1 / (1 + e^s). Gradients are central differences in that arithmetic. Nothing here knows of torch or NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from statistics import NormalDist

CONTEXT = Context(prec=60, Emax=999_999_999, Emin=-999_999_999)
STEP = Decimal("1e-20")

# Scores and targets of batches at which losses and the constraint tend to break.
EDGE_BATCHES = {
    "no positives": ([0.5, -1.0, 2.0], [0, 0, 0]),
    "no negatives": ([0.5, -1.0, 2.0], [1, 1, 1]),
    "one positive": ([-0.3], [1]),
    "one negative": ([-0.3], [0]),
    "ties": ([0.0, 0.0, 1.0, 1.0], [1, 0, 1, 0]),
    "wrong by far": ([1e4, -1e4, 800.0, -800.0], [0, 1, 0, 1]),
    "right by far": ([1e4, -1e4, 800.0, -800.0], [1, 0, 1, 0]),
}

Number = Decimal
Loss = Callable[[Sequence[Decimal], Sequence[int]], Decimal]


def sigmoid(s: Number) -> Number:
    return 1 / (1 + (-s).exp())


def one_minus_sigmoid(s: Number) -> Number:
    return 1 / (1 + s.exp())


def mean_over_batch(positive: Callable[[Number], Number], negative: Callable[[Number], Number]) -> Loss:
    """The loss with these terms for a positive's and a negative's score."""

    def loss(scores: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        total = Decimal(0)
        for s, y in zip(scores, targets, strict=True):
            total += positive(s) if y == 1 else negative(s)
        return total / len(targets)

    return loss


def minus_log_p(s: Number) -> Number:
    return -sigmoid(s).ln()


def minus_log_one_minus_p(s: Number) -> Number:
    return -one_minus_sigmoid(s).ln()


def bce() -> Loss:
    return mean_over_batch(minus_log_p, minus_log_one_minus_p)


def symmetric_margin(m: float) -> Loss:
    margin = Decimal(m)
    return mean_over_batch(lambda s: minus_log_p(s - margin), lambda s: minus_log_one_minus_p(s + margin))


def asymmetric_margin(m: float) -> Loss:
    margin = Decimal(m)
    return mean_over_batch(lambda s: minus_log_p(s - margin), minus_log_one_minus_p)


def symmetric_focal(g: float) -> Loss:
    gamma = Decimal(g)
    return mean_over_batch(
        lambda s: one_minus_sigmoid(s) ** gamma * minus_log_p(s),
        lambda s: sigmoid(s) ** gamma * minus_log_one_minus_p(s),
    )


def asymmetric_focal(g: float) -> Loss:
    gamma = Decimal(g)
    return mean_over_batch(minus_log_p, lambda s: sigmoid(s) ** gamma * minus_log_one_minus_p(s))


def weighted_bce(c: float, ratio: float) -> Loss:
    weight = Decimal(c) * Decimal(ratio)
    return mean_over_batch(lambda s: weight * minus_log_p(s), minus_log_one_minus_p)


def class_balanced_bce(b: float, n0: int, n1: int) -> Loss:
    beta = Decimal(b)

    def weight(n: int) -> Number:
        return (1 - beta) / (1 - beta**n)

    return mean_over_batch(
        lambda s: weight(n1) * minus_log_p(s), lambda s: weight(n0) * minus_log_one_minus_p(s)
    )


def mbauc() -> Loss:
    def loss(scores: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        pairs = [
            (1 - (sigmoid(scores[j]) - sigmoid(scores[k]))) ** 2
            for j in range(len(targets))
            for k in range(len(targets))
            if targets[j] == 1 and targets[k] == 0
        ]
        return sum(pairs, Decimal(0)) / len(pairs) if pairs else Decimal(0)

    return loss


def ldam(n0: int, n1: int, max_margin: float = 0.5, scale: float = 30.0) -> Loss:
    """On flattened rows (z_0, z_1) of cosine logits: two numbers per example."""

    def loss(logits: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        quarter = Decimal("-0.25")
        powers = [Decimal(n0) ** quarter, Decimal(n1) ** quarter]
        margins = [Decimal(max_margin) * power / max(powers) for power in powers]
        total = Decimal(0)
        for i, y in enumerate(targets):
            shifted = [logits[2 * i], logits[2 * i + 1]]
            shifted[y] -= margins[y]
            exponentials = [(Decimal(scale) * z).exp() for z in shifted]
            total -= (exponentials[y] / sum(exponentials)).ln()
        return total / len(targets)

    return loss


def violations(scores: Sequence[Decimal], targets: Sequence[int], delta: float) -> list[Decimal]:
    """q_j of every positive j; 0 for negatives."""
    q = [Decimal(0)] * len(targets)
    for j in range(len(targets)):
        for k in range(len(targets)):
            if targets[j] == 1 and targets[k] == 0:
                q[j] += max(Decimal(0), Decimal(delta) - (scores[j] - scores[k]))
    return q


def constraint_term(delta: float, mu: float, multipliers: Sequence[float]) -> Loss:
    """The term that the constraint adds to a batch's loss."""

    def term(scores: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        positives, negatives = list(targets).count(1), list(targets).count(0)
        if positives == 0 or negatives == 0:
            return Decimal(0)
        total = Decimal(0)
        for j, q in enumerate(violations(scores, targets, delta)):
            if targets[j] == 1:
                total += Decimal(mu) / 2 * q**2 + Decimal(multipliers[j]) * q
        return total / (positives * negatives)

    return term


def cross_entropy(classes: int) -> Loss:
    """-log softmax of the true class; the logits of all examples stand one after another."""

    def loss(logits: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        total = Decimal(0)
        for i, y in enumerate(targets):
            own = logits[i * classes : (i + 1) * classes]
            total -= (own[y].exp() / sum(z.exp() for z in own)).ln()
        return total / len(targets)

    return loss


def per_example(classes: int, term: Callable[[Sequence[Decimal], int], Number]) -> Loss:
    """Mean over the batch of a term of an example's logits and class."""

    def loss(logits: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        total = Decimal(0)
        for i, y in enumerate(targets):
            total += term(logits[i * classes : (i + 1) * classes], y)
        return total / len(targets)

    return loss


def softmax(logits: Sequence[Decimal]) -> list[Decimal]:
    exponentials = [z.exp() for z in logits]
    return [e / sum(exponentials) for e in exponentials]


def focal(classes: int, gamma: float) -> Loss:
    def term(logits: Sequence[Decimal], y: int) -> Decimal:
        exponentials = [z.exp() for z in logits]
        whole = sum(exponentials)
        others = sum(e for c, e in enumerate(exponentials) if c != y)
        return -((others / whole) ** Decimal(gamma)) * (exponentials[y] / whole).ln()

    return per_example(classes, term)


def scaled_to_classes(weights: Sequence[Decimal]) -> list[Decimal]:
    return [w * len(weights) / sum(weights) for w in weights]


def weighted_cross_entropy(weights: Sequence[Decimal]) -> Loss:
    return per_example(len(weights), lambda logits, y: -weights[y] * softmax(logits)[y].ln())


def power_weights(counts: Sequence[int], exponent: float) -> list[Decimal]:
    return scaled_to_classes([Decimal(n) ** -Decimal(exponent) for n in counts])


def effective_weights(counts: Sequence[int], beta: float) -> list[Decimal]:
    b = Decimal(beta)
    return scaled_to_classes([(1 - b) / (1 - b**n) for n in counts])


def adjusted_cross_entropy(counts: Sequence[int], tau: float, gamma: float) -> Loss:
    """Cross-entropy of (n_c / n_max)^g z_c + tau log pi_c."""
    scales = [(Decimal(n) / max(counts)) ** Decimal(gamma) for n in counts]
    shifts = [Decimal(tau) * (Decimal(n) / sum(counts)).ln() for n in counts]

    def term(logits: Sequence[Decimal], y: int) -> Decimal:
        adjusted = [a * z + b for a, z, b in zip(scales, logits, shifts, strict=True)]
        return -softmax(adjusted)[y].ln()

    return per_example(len(counts), term)


def multiclass_ldam(counts: Sequence[int], max_margin: float, weights: Sequence[Decimal]) -> Loss:
    """Logits are 30 x cosine; the true class's is lowered by 30 margins."""
    raw = [Decimal(n) ** Decimal("-0.25") for n in counts]
    margins = [Decimal(max_margin) * r / max(raw) for r in raw]

    def term(logits: Sequence[Decimal], y: int) -> Decimal:
        lowered = [z - 30 * margins[y] if c == y else z for c, z in enumerate(logits)]
        return -weights[y] * softmax(lowered)[y].ln()

    return per_example(len(counts), term)


def auc_margin(margin: float, a: float, b: float, alpha: float) -> Loss:
    """E+[(p-a)^2] + E-[(p-b)^2] + 2 alpha (m + E-[p] - E+[p]) - alpha^2; alpha's part needs both classes."""
    m, a_, b_, climbing = Decimal(margin), Decimal(a), Decimal(b), Decimal(alpha)

    def loss(scores: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        p = [sigmoid(s) for s, y in zip(scores, targets, strict=True) if y == 1]
        n = [sigmoid(s) for s, y in zip(scores, targets, strict=True) if y == 0]
        total = Decimal(0)
        if p:
            total += sum((x - a_) ** 2 for x in p) / len(p)
        if n:
            total += sum((x - b_) ** 2 for x in n) / len(n)
        if p and n:
            total += 2 * climbing * (m + sum(n) / len(n) - sum(p) / len(p)) - climbing**2
        return total

    return loss


def partial_auc(temperature: float) -> Loss:
    """Mean over positives of lambda log mean over negatives of exp((1 - (p_j - p_k))^2 / lambda)."""
    t = Decimal(temperature)

    def loss(scores: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        p = [sigmoid(s) for s, y in zip(scores, targets, strict=True) if y == 1]
        n = [sigmoid(s) for s, y in zip(scores, targets, strict=True) if y == 0]
        if not p or not n:
            return Decimal(0)
        total = Decimal(0)
        for j in p:
            total += t * (sum(((1 - (j - k)) ** 2 / t).exp() for k in n) / len(n)).ln()
        return total / len(p)

    return loss


def one_vs_rest(logits: Sequence[Decimal], c: int) -> Decimal:
    """log p_c - log(1 - p_c) of one example under softmax."""
    exponentials = [z.exp() for z in logits]
    others = sum(e for other, e in enumerate(exponentials) if other != c)
    return exponentials[c].ln() - others.ln()


def multiclass_term(
    classes: int,
    columns: Sequence[tuple[int, int | None]],
    delta: float,
    mu: float,
    multipliers: Sequence[float],
) -> Loss:
    """The term of several columns, each (critical class c, other class l), or (c, None) for all others.

    `multipliers` are those of an example in each column, one example after another.
    """

    def term(logits: Sequence[Decimal], targets: Sequence[int]) -> Decimal:
        total = Decimal(0)
        for r, (c, other) in enumerate(columns):
            scores, labels, own = [], [], []
            for i, y in enumerate(targets):
                if other is not None and y not in (c, other):
                    continue
                z = logits[i * classes : (i + 1) * classes]
                scores.append(one_vs_rest(z, c) if other is None else z[c] - z[other])
                labels.append(int(y == c))
                own.append(multipliers[i * len(columns) + r])
            total += constraint_term(delta, mu, own)(scores, labels)
        return total

    return term


def value_and_gradient(
    loss: Loss, scores: Sequence[float], targets: Sequence[int]
) -> tuple[float, list[float]]:
    """The loss and its derivative for every score, rounded to double precision at the very end."""
    with localcontext(CONTEXT):
        exact = [Decimal(s) for s in scores]
        gradient = []
        for i in range(len(exact)):
            above, below = list(exact), list(exact)
            above[i] += STEP
            below[i] -= STEP
            gradient.append(float((loss(above, targets) - loss(below, targets)) / (2 * STEP)))
        return float(loss(exact, targets)), gradient


def rates(targets: Sequence[int], scores: Sequence[float]) -> list[tuple[Fraction, Fraction]]:
    """(FPR, TPR) at every distinct score as threshold, and at one above all of them."""
    positives, negatives = list(targets).count(1), list(targets).count(0)
    points = [(Fraction(0), Fraction(0))]
    for threshold in set(scores):
        called = [y for y, s in zip(targets, scores, strict=True) if s >= threshold]
        points.append((Fraction(called.count(0), negatives), Fraction(called.count(1), positives)))
    return points


def fpr_at_tpr(targets: Sequence[int], scores: Sequence[float], tpr: str) -> Fraction:
    """The smallest FPR among thresholds with TPR >= the decimal number `tpr`."""
    return min(fp for fp, tp in rates(targets, scores) if tp >= Fraction(tpr))


def tpr_at_fpr(targets: Sequence[int], scores: Sequence[float], fpr: str) -> Fraction:
    """The largest TPR among thresholds with FPR <= the decimal number `fpr`."""
    return max(tp for fp, tp in rates(targets, scores) if fp <= Fraction(fpr))


def auroc(targets: Sequence[int], scores: Sequence[float]) -> Fraction:
    """The share of pairs with the positive higher, a tie counting half."""
    credit = Fraction(0)
    for y, s in zip(targets, scores, strict=True):
        for z, t in zip(targets, scores, strict=True):
            if y == 1 and z == 0:
                credit += Fraction(1) if s > t else Fraction(1, 2) if s == t else Fraction(0)
    return credit / (list(targets).count(1) * list(targets).count(0))


def repeated(
    targets: Sequence[int], scores: Sequence[float], counts: Sequence[int]
) -> tuple[list[int], list[float]]:
    """The targets and scores of a resample in which each example stands so many times."""
    drawn: list[tuple[int, float]] = []
    for y, s, count in zip(targets, scores, counts, strict=True):
        drawn += [(y, s)] * count
    return [y for y, _ in drawn], [s for _, s in drawn]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, linear between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def bca_interval(
    draws: Sequence[float], value: float, jackknife: Sequence[Sequence[float]], level: float = 0.95
) -> list[float]:
    """Efron's BCa interval; `jackknife` are the values without each example, for every sample by itself."""
    normal = NormalDist()
    bias = normal.inv_cdf(sum((draw < value) + (draw == value) / 2 for draw in draws) / len(draws))
    cubes = squares = 0.0
    for values in jackknife:
        size = len(values)
        moved = [(size - 1) * (sum(values) / size - left) for left in values]
        cubes += sum(u**3 for u in moved) / size**3
        squares += sum(u**2 for u in moved) / size**2
    acceleration = cubes / (6 * squares**1.5)
    ends = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        wanted = bias + normal.inv_cdf(share)
        ends.append(percentile(draws, normal.cdf(bias + wanted / (1 - acceleration * wanted))))
    return ends
