"""Losses of binary tasks that approach the area under the ROC curve, or a part of it.

They take logits s [B] and targets y [B] (1 = positive = critical), both with B >= 1; p = sigmoid(s). A batch
without a positive or a negative has no pair, and is worth what is said of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainer.losses.module import LossModule


class AucMargin(LossModule):
    """AUCM, the min-max margin loss of the AUC.

    The minimum over a and b of the maximum over alpha >= 0 of

        E+[(p - a)^2] + E-[(p - b)^2] + 2 alpha (m + E-[p] - E+[p]) - alpha^2

    E+ and E- are means over the batch's positives and negatives. A class that the batch lacks adds nothing,
    and without both of them alpha's terms are left out. a, b and alpha start at 0 and are trained with the
    network; alpha's gradient is reversed, so that the same step climbs in it. Yuan et al., "Large-scale
    robust deep AUC maximization", ICCV 2021, equation 5.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin
        self.a = nn.Parameter(torch.zeros(()))
        self.b = nn.Parameter(torch.zeros(()))
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        scores = torch.sigmoid(outputs)
        a, b = self.a.to(outputs.dtype), self.b.to(outputs.dtype)
        alpha = (2 * self.alpha.detach() - self.alpha).to(outputs.dtype)  # alpha, its gradient reversed
        positive, negative = _shares(targets, outputs.dtype)
        spread = (positive * (scores - a) ** 2 + negative * (scores - b) ** 2).sum()
        shortfall = self.margin + ((negative - positive) * scores).sum()
        has_pair = positive.sum() * negative.sum()
        return spread + has_pair * (2 * alpha * shortfall - alpha**2)

    @torch.no_grad()
    def after_step(self) -> None:
        """Keep alpha at 0 or above."""
        self.alpha.clamp_(min=0)


def partial_auc(logits: Tensor, targets: Tensor, *, temperature: float) -> Tensor:
    """One-way partial AUC at low false positive rates.

    The mean over positives j of

        lambda log mean over negatives k of exp((1 - (p_j - p_k))^2 / lambda)

    lambda is `temperature`: the smaller, the more the highest negatives weigh; the larger, the more it is
    MBAUC. A batch without a pair gives exactly 0, with zero gradient. It is the objective of SOPA-s over a
    mini-batch, without the moving average by which SOPA-s follows it from batch to batch. Zhu et al., "When
    AUC meets DRO: optimizing partial AUC for deep learning with non-convex convergence guarantee", ICML 2022.

    >>> partial_auc(torch.tensor([0.0, 0.0]), torch.tensor([1, 0]), temperature=1.0).item()
    1.0
    """
    positive, negative = targets.bool(), ~targets.bool()
    p = torch.sigmoid(logits)
    surrogate = (1 - (p[:, None] - p[None, :])) ** 2 / temperature  # [B, B], of j and k
    is_pair = positive[:, None] & negative[None, :]
    count = negative.sum()
    # Rows of no pair take one value, so that no logarithm of 0 is formed.
    among = torch.where(is_pair | (count == 0) | ~positive[:, None], surrogate, -math.inf)
    per_positive = temperature * (among.logsumexp(dim=1) - count.clamp_min(1).to(logits.dtype).log())
    share, _ = _shares(targets, logits.dtype)
    has_pair = (positive.sum() * count).clamp_max(1).to(logits.dtype)
    return has_pair * (share * per_positive).sum()


def _shares(targets: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """1 / |P| at positives and 1 / |N| at negatives, else 0: [B] each."""
    positive = targets.bool().to(dtype)
    negative = 1 - positive
    return positive / positive.sum().clamp_min(1), negative / negative.sum().clamp_min(1)
