"""Losses of several classes that know how many examples each class has.

All take logits z [B, K] and targets y [B], the index of the true class (int64), and return the mean over the
batch: a tensor without dimensions. n_c are the training set's counts before any sampling, pi_c = n_c / n. The
plain mean is taken where examples are weighted too, so a batch of rare examples weighs more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from search_spaces.config import COSINE_SCALE
from trainer.losses.binary import effective_number_weight, ldam_margins
from trainer.losses.module import LossModule


def focal(logits: Tensor, targets: Tensor, *, gamma: float) -> Tensor:
    """Focal loss: -(1 - p_y)^g log p_y, p = softmax(z). In [0, inf).

    With o = log(p_y / (1 - p_y)) it is -exp(g log sigmoid(-o)) log sigmoid(o), whose gradient stays finite
    where p_y rounds to 1. Lin et al., "Focal loss for dense object detection", ICCV 2017, equation 4.

    >>> round(focal(torch.zeros(1, 2), torch.tensor([0]), gamma=2).item(), 6)  # 0.25 log 2
    0.173287
    """
    odds = _true_class_odds(logits, targets)
    return (-torch.exp(gamma * logsigmoid(-odds)) * logsigmoid(odds)).mean()


def _true_class_odds(logits: Tensor, targets: Tensor) -> Tensor:
    """z_y - logsumexp of the other classes, [B]."""
    is_true = torch.arange(logits.shape[1], device=logits.device) == targets[:, None]
    others = logits.masked_fill(is_true, -torch.inf).logsumexp(dim=1)
    return logits.gather(1, targets[:, None])[:, 0] - others


def inverse_power_weights(counts: Sequence[int], exponent: float) -> list[float]:
    """n_c^-a, scaled to sum to the number of classes.

    >>> inverse_power_weights([300, 100], 1)
    [0.5, 1.5]
    """
    return _scaled([count**-exponent for count in counts])


def class_balanced_weights(counts: Sequence[int], beta: float) -> list[float]:
    """(1 - b) / (1 - b^n_c), scaled to sum to the number of classes. Cui et al., CVPR 2019, section 4.

    >>> [round(weight, 6) for weight in class_balanced_weights([2, 1], 0.5)]  # of 2/3 and 1
    [0.8, 1.2]
    """
    return _scaled([effective_number_weight(count, beta) for count in counts])


def _scaled(weights: Sequence[float]) -> list[float]:
    scale = len(weights) / sum(weights)
    return [scale * weight for weight in weights]


class _PerClass(LossModule):
    """A loss that holds numbers per class, in float64; they are rounded to the logits' type when used."""

    def _hold(self, name: str, values: Sequence[float]) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float64), persistent=False)


class _Weighted(_PerClass):
    """Weighted cross-entropy: -w_y log p_y."""

    weights: Tensor

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self._hold("weights", weights)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        each = cross_entropy(outputs, targets, reduction="none")
        return (self.weights.to(outputs.dtype)[targets] * each).mean()


class PowerWeighted(_Weighted):
    """Cross-entropy with the weights `inverse_power_weights`."""

    def __init__(self, counts: Sequence[int], exponent: float) -> None:
        super().__init__(inverse_power_weights(counts, exponent))


class ClassBalanced(_Weighted):
    """Cross-entropy with the weights `class_balanced_weights`."""

    def __init__(self, counts: Sequence[int], beta: float) -> None:
        super().__init__(class_balanced_weights(counts, beta))


class AdjustedCrossEntropy(_PerClass):
    """Cross-entropy of adjusted logits: scale_c z_c + shift_c in place of z_c.

    Logit adjustment (Menon et al., ICLR 2021) shifts by tau log pi_c; with tau = 1 it is balanced softmax
    (Ren et al., NeurIPS 2020). VS (Kini et al., NeurIPS 2021) scales by (n_c / n_max)^g too. Scores are the
    logits as they are: what is adjusted in training is not at a decision.
    """

    scales: Tensor
    shifts: Tensor

    def __init__(self, counts: Sequence[int], tau: float, gamma: float = 0.0) -> None:
        super().__init__()
        whole, most = sum(counts), max(counts)
        self._hold("scales", [(count / most) ** gamma for count in counts])
        self._hold("shifts", [tau * math.log(count / whole) for count in counts])

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        dtype = outputs.dtype
        return cross_entropy(outputs * self.scales.to(dtype) + self.shifts.to(dtype), targets)


class Ldam(_Weighted):
    """LDAM, with deferred re-weighting (DRW) where `defer` is below 1.

    Cross-entropy of z less 30 * margin_c at the true class, z = 30 * cosine, margin_c = m n_c^-1/4 / max over
    classes of n^-1/4: the rarest class has the margin m. From the share `defer` of the epochs on examples are
    weighted by `class_balanced_weights`; before that all alike. Cao et al., "Learning imbalanced datasets
    with label-distribution-aware margin loss", NeurIPS 2019, sections 3.2 and 3.3.
    """

    margins: Tensor
    deferred: Tensor

    def __init__(self, counts: Sequence[int], max_margin: float, beta: float, defer: float) -> None:
        super().__init__([1.0] * len(counts))
        self.defer = defer
        self._hold("margins", ldam_margins(counts, COSINE_SCALE * max_margin))
        self._hold("deferred", class_balanced_weights(counts, beta))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """See `LossModule`."""
        is_true = torch.arange(outputs.shape[1], device=outputs.device) == targets[:, None]
        margins = torch.where(is_true, self.margins.to(outputs.dtype), 0)
        return super().forward(outputs - margins, targets)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """The weights of the epoch."""
        if epoch >= self.defer * epochs:
            self.weights.copy_(self.deferred)
        else:
            self.weights.fill_(1.0)
