"""In which order an epoch sees its examples, and in which batches."""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.errors import InputError, unknown_name


def epoch_order(kind: str, train_indices: Tensor, targets: Tensor, generator: torch.Generator) -> Tensor:
    """The order of one epoch: int64 [n], values of `train_indices` [n].

    train_indices   positions in the pool of the examples to train on
    targets         the pool's targets [N], N >= n
    generator       a CPU generator, seeded for this epoch of this replicate

    "shuffle" is a permutation. "class_balanced" draws with replacement, each example with a weight of
    1 / (examples of its class), so every class is seen equally often on average.
    Raises InputError for another kind.
    """
    if kind == "shuffle":
        return train_indices[torch.randperm(len(train_indices), generator=generator)]
    if kind == "class_balanced":
        return train_indices[_draw_balanced(targets[train_indices], generator)]
    raise InputError(unknown_name("sampler", kind, ["shuffle", "class_balanced"]))


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


def _draw_balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Positions [n] in `labels` [n]: a class with equal chances, then an example of it with equal chances.

    The same law as weights of 1 / n_class, without the limit of `torch.multinomial` on the number of weights.
    """
    classes, sizes = torch.unique(labels, sorted=True, return_counts=True)
    starts = sizes.cumsum(0) - sizes
    by_class = torch.argsort(labels, stable=True)
    drawn = torch.randint(len(classes), (len(labels),), generator=generator)
    within = torch.rand(len(labels), generator=generator, dtype=torch.float64)
    # The product rounds up to the size itself only for a class of more than 2**52 examples.
    return by_class[starts[drawn] + (within * sizes[drawn]).long()]
