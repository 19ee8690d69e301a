"""The nine base losses F(s, y) of binary tasks as pure functions of a mini-batch, and their one column.

Every function takes logits `s` and targets `y` (1 = positive = critical, 0 = negative; bool, integer or
float), both of shape [B] with B >= 1, and returns the mean over the batch: a tensor without dimensions, of
the logits' dtype and on their device. `ldam` alone takes [B, 2]. p = sigmoid(s).

All terms go through log-sigmoid, so that values and gradients of any finite logit are finite (also where p
rounds to 0 or 1). Shapes do not depend on the targets and nothing is copied to the host: the functions can be
captured in a CUDA graph and run under `torch.func.vmap`. The positive and negative terms are those
of the tables of Sangalli et al., "Constrained Optimization to Train Neural Networks on Critical and
Under-Represented Classes", NeurIPS 2021.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from search_spaces.errors import InputError
from trainer.losses.columns import Masks, TaskTensors


def _class_mean(positive_terms: Tensor, negative_terms: Tensor, targets: Tensor) -> Tensor:
    """Mean over the batch of each example's own class's term."""
    return torch.where(targets.bool(), positive_terms, negative_terms).mean()


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy: -log p for positives, -log(1 - p) for negatives. In [0, inf).

    >>> round(bce(torch.tensor([0.0, 0.0]), torch.tensor([1, 0])).item(), 6)  # log 2
    0.693147
    """
    return _class_mean(-logsigmoid(logits), -logsigmoid(-logits), targets)


def symmetric_margin(logits: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    """S-LM, large margin m on both classes: -log sigmoid(s - m) and -log(1 - sigmoid(s + m)).

    Large-margin softmax (Liu et al., ICML 2016) in its additive form.
    """
    return _class_mean(-logsigmoid(logits - margin), -logsigmoid(-logits - margin), targets)


def asymmetric_margin(logits: Tensor, targets: Tensor, *, margin: float) -> Tensor:
    """A-LM, margin m on positives only: -log sigmoid(s - m) and -log(1 - p).

    Li, Kamnitsas and Glocker, "Overfitting of neural nets under class imbalance", MICCAI 2019.
    """
    return _class_mean(-logsigmoid(logits - margin), -logsigmoid(-logits), targets)


def _focal_term(logits: Tensor, gamma: float) -> Tensor:
    """-(1 - p)^g log p. The power is exp(g log(1 - p)), whose gradient stays finite at p = 1 for g < 1."""
    return -torch.exp(gamma * logsigmoid(-logits)) * logsigmoid(logits)


def symmetric_focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """S-FL, focal factor on both classes: -(1 - p)^g log p and -p^g log(1 - p).

    Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 4.
    """
    return _class_mean(_focal_term(logits, gamma), _focal_term(-logits, gamma), targets)


def asymmetric_focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """A-FL, focal factor on negatives (the majority) only: -log p and -p^g log(1 - p).

    Li, Kamnitsas and Glocker, "Overfitting of neural nets under class imbalance", MICCAI 2019.
    """
    return _class_mean(-logsigmoid(logits), _focal_term(-logits, gamma), targets)


def weighted_bce(logits: Tensor, targets: Tensor, *, weight: float) -> Tensor:
    """W-BCE: -w log p for positives, -log(1 - p) for negatives. The paper's w is c * imbalance ratio."""
    return _class_mean(-weight * logsigmoid(logits), -logsigmoid(-logits), targets)


def effective_number_weight(count: int, beta: float) -> float:
    """(1 - b) / (1 - b^n): one over the effective number of n samples; in (0, 1].

    Cui et al., CVPR 2019, proposition 1.

    >>> effective_number_weight(1, 0.99)
    1.0
    >>> round(effective_number_weight(2, 0.5), 6)  # 0.5 / 0.75
    0.666667
    """
    return (1 - beta) / -math.expm1(count * math.log(beta))


def class_balanced_bce(
    logits: Tensor, targets: Tensor, *, beta: float, negatives: int, positives: int
) -> Tensor:
    """CB-BCE: (1 - b)/(1 - b^n1) * -log p and (1 - b)/(1 - b^n0) * -log(1 - p).

    n1 = `positives`, n0 = `negatives` of the training set. Cui et al., "Class-balanced loss based on
    effective number of samples", CVPR 2019, section 4.
    """
    positive_weight = effective_number_weight(positives, beta)
    negative_weight = effective_number_weight(negatives, beta)
    return _class_mean(-positive_weight * logsigmoid(logits), -negative_weight * logsigmoid(-logits), targets)


def ldam_margins(counts: Sequence[int], max_margin: float) -> list[float]:
    """The margin of each class c of n_c examples: max_margin * n_c^-1/4 / max over classes of n^-1/4.

    The rarest class gets `max_margin`. Cao et al., NeurIPS 2019, section 3.2, normalised as in their code.

    >>> ldam_margins([1600, 100], max_margin=0.5)
    [0.25, 0.5]
    """
    rarest = min(counts)
    return [max_margin * (rarest / count) ** 0.25 for count in counts]


def ldam(
    logits: Tensor, targets: Tensor, *, negatives: int, positives: int, max_margin: float, scale: float
) -> Tensor:
    """LDAM: cross-entropy of `scale` * (z - margin at the true class), z = cosine logits [B, 2] in [-1, 1].

    With two outputs the cross-entropy is -log sigmoid(scale * (z_y - margin_y - z_other)). The scale enters
    here only: the score of an example stays its unscaled cosine z[:, 1]. Cao et al., "Learning imbalanced
    datasets with label-distribution-aware margin loss", NeurIPS 2019, section 3.2.
    """
    negative_margin, positive_margin = ldam_margins([negatives, positives], max_margin)
    difference = logits[:, 1] - logits[:, 0]
    return _class_mean(
        -logsigmoid(scale * (difference - positive_margin)),
        -logsigmoid(scale * (-difference - negative_margin)),
        targets,
    )


def mbauc(logits: Tensor, targets: Tensor) -> Tensor:
    """MBAUC: mean over the batch's (positive j, negative k) pairs of (1 - (p_j - p_k))^2. In [0, 4].

    A batch without a pair gives exactly zero, with zero gradient. Computed without forming pairs: with
    a_j = 1 - p_j and b_k = p_k the mean of (a_j + b_k)^2 is E[a^2] + 2 E[a] E[b] + E[b^2].
    Gultekin et al., "MBA: Mini-batch AUC optimization", IEEE TNNLS 2020.

    >>> mbauc(torch.tensor([0.0, 0.0]), torch.tensor([1, 0])).item()  # (1 - (0.5 - 0.5))^2
    1.0
    """
    positive = targets.bool().to(logits.dtype)
    negative = 1 - positive
    positives, negatives = positive.sum(), negative.sum()
    positive_share = positive / positives.clamp_min(1)
    negative_share = negative / negatives.clamp_min(1)
    shortfall, excess = torch.sigmoid(-logits), torch.sigmoid(logits)
    mean_square = (positive_share * shortfall**2 + negative_share * excess**2).sum()
    cross = (positive_share * shortfall).sum() * (negative_share * excess).sum()
    has_pair = (positives * negatives).clamp_max(1)
    return has_pair * (mean_square + 2 * cross)


def score(logits: Tensor) -> Tensor:
    """The scalar score [B], higher = more critical, of outputs [B], [B, 1] or [B, 2] (the positive's logit).

    Raises InputError for any other shape.

    >>> score(torch.tensor([[-1.0, 2.0], [0.5, -0.5]])).tolist()
    [2.0, -0.5]
    """
    if logits.dim() == 1:
        return logits
    if logits.dim() == 2 and logits.shape[1] in (1, 2):
        return logits[:, -1]
    raise InputError(f"expected outputs of shape [B], [B, 1] or [B, 2], given {list(logits.shape)}")


class BinaryTensors(TaskTensors):
    """Targets float32, 1 = positive; one column, whose score is the positive's logit."""

    target_dtype = torch.float32

    def outputs(self, logits: Tensor) -> Tensor:
        """The score [B]."""
        return score(logits)

    def scores(self, logits: Tensor) -> Tensor:
        """The score [B, 1]."""
        return score(logits)[:, None]

    def masks(self, targets: Tensor) -> Masks:
        """Positives, and all others as negatives, [B, 1]."""
        positive = targets.bool()[:, None]
        return Masks(positive, ~positive)

    def ratio_of(self, counts: tuple[int, ...]) -> float:
        """Negatives per positive."""
        negatives, positives = counts
        return negatives / positives

    def target_counts(self, targets: Tensor) -> tuple[int, ...]:
        """Negatives and positives."""
        positives = int(targets.sum())
        return len(targets) - positives, positives
