"""In which order an epoch sees its examples, and in which batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from search_spaces.config import LabelSetSampler, PowerSampler, Sampler, SamplerName
from trainer.tasks.counts import drawn_shares


def epoch_order(
    sampler: Sampler,
    train_indices: Tensor,
    targets: Tensor,
    generator: torch.Generator,
    *,
    progress: float = 0.0,
) -> Tensor:
    """The order of one epoch: int64 [n], values of `train_indices` [n].

    train_indices   positions in the pool of the examples to train on, some of them several times where the
                    training set was resampled
    targets         the pool's targets [N], N >= n
    generator       a CPU generator, seeded for this epoch of this replicate
    progress        0 in the first epoch to 1 in the last

    "shuffle" is a permutation, of what is resampled too. The others draw with replacement, a class by
    `class_shares`, then an example of it with equal chances.
    """
    if sampler == "shuffle" or isinstance(sampler, LabelSetSampler):
        return train_indices[torch.randperm(len(train_indices), generator=generator)]
    labels = targets[train_indices]
    _, sizes = torch.unique(labels, sorted=True, return_counts=True)
    if sampler == "class_balanced":
        drawn = torch.randint(len(sizes), (len(labels),), generator=generator)
    else:
        shares = class_shares(sampler, sizes, progress)
        points = torch.rand(len(labels), generator=generator, dtype=torch.float64)
        # The last bound may round to less than 1.
        drawn = torch.searchsorted(shares.cumsum(0)[:-1].contiguous(), points, right=True)
    return train_indices[_draw_within(labels, sizes, drawn, generator)]


def class_shares(sampler: SamplerName | PowerSampler, sizes: Tensor, progress: float = 0.0) -> Tensor:
    """The share of an epoch that each class has, float64 [C], of classes of `sizes` [C] examples.

    >>> class_shares("square_root", torch.tensor([900, 100])).tolist()
    [0.75, 0.25]
    """
    return torch.tensor(drawn_shares(sampler, sizes.tolist(), progress), dtype=torch.float64)


def trainable_batches(labels: Tensor, size: int, *, needs_pairs: bool) -> tuple[Tensor, list[int]]:
    """Which positions of an epoch's order are trained on, and the size of each batch of them.

    `labels` [n] are the order's targets, bool. Batch norm has no statistics of one example, and a loss that
    `needs_pairs` has no step without a positive and a negative: such batches are passed over.
    """
    kept, sizes = [], []
    for part in torch.arange(len(labels)).split(size):
        positives = int(labels[part].sum()) if needs_pairs else 0
        if len(part) > 1 and (not needs_pairs or 0 < positives < len(part)):
            kept.append(part)
            sizes.append(len(part))
    return torch.cat(kept) if kept else torch.zeros(0, dtype=torch.int64), sizes


def share_holding(marked: Tensor, sizes: Sequence[int]) -> float:
    """The share of batches, of so many examples each, that hold a marked one; `marked` [n] is in their order.

    0 where there is no batch.

    >>> share_holding(torch.tensor([True, False, False, False, True]), [2, 2, 1])
    0.6666666666666666
    """
    if not sizes:
        return 0.0
    batches = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return len(torch.unique(batches[marked])) / len(sizes)


def _draw_within(labels: Tensor, sizes: Tensor, drawn: Tensor, generator: torch.Generator) -> Tensor:
    """Positions [n] in `labels` [n]: of each drawn class [n] an example, with equal chances.

    Classes first is the same law as a weight per example, without the limit of `torch.multinomial` on the
    number of weights.
    """
    starts = sizes.cumsum(0) - sizes
    by_class = torch.argsort(labels, stable=True)
    within = torch.rand(len(labels), generator=generator, dtype=torch.float64)
    # The product rounds up to the size itself only for a class of more than 2**52 examples.
    return by_class[starts[drawn] + (within * sizes[drawn]).long()]
