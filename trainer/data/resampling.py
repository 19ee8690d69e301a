"""A replicate's training set with copies of images, or without some, so that rare labels are less rare.

Charte, Rivera, del Jesus and Herrera, "Addressing imbalance in multilabel classification: Measures and random
resampling algorithms", Neurocomputing 163 (2015), sections 3 and 4. Of label l the imbalance ratio is IR_l =
max over labels of n / n_l; a label is rare where it is above MeanIR, the labels' mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import LabelSetSampler, Sampler
from trainer.metrics.ranking import Floats
from trainer.seeds import seed_for
from trainer.tasks.label_sets import strata

Sets = NDArray[np.uint8]
Positions = NDArray[np.int64]


def resampled(sampler: Sampler, train_indices: Tensor, targets: Tensor, seed: int) -> Tensor:
    """Positions in the pool of the examples that an epoch shuffles, int64 [m].

    train_indices   positions in the pool of the examples that the seed draws [n]
    targets         the pool's label sets [N, L]

    Of a sampler that does not resample they are `train_indices`.
    """
    if not isinstance(sampler, LabelSetSampler):
        return train_indices
    sets = targets[train_indices].numpy()
    changed = int(sampler.share * len(sets))
    generator = np.random.Generator(np.random.PCG64(seed_for(seed, "resample")))
    return train_indices[torch.from_numpy(_RESAMPLE[sampler.resample](sets, changed, generator))]


def imbalance_ratios(counts: NDArray[np.int64]) -> Floats:
    """IR of each label [L] of `counts` [L] examples; infinite of a label without any.

    >>> imbalance_ratios(np.array([10, 40, 20])).tolist()
    [4.0, 1.0, 2.0]
    """
    found: Floats = np.where(counts > 0, counts.max() / np.maximum(counts, 1), np.inf)
    return found


def rare_labels(sets: Sets) -> tuple[NDArray[np.bool_], float]:
    """Which labels [L] are rare, and MeanIR, which labels without examples have no part in."""
    ratios = imbalance_ratios(sets.sum(axis=0, dtype=np.int64))
    there = np.isfinite(ratios)
    mean = float(ratios[there].mean()) if there.any() else 1.0
    return there & (ratios > mean), mean


def lp_ros(sets: Sets, copies: int, generator: np.random.Generator) -> Positions:
    """Copies of examples of label sets smaller than the mean one, spread over these sets.

    The largest of them first: each is given an equal part of the copies, and no more than brings it to the
    mean size; what it does not take is spread over the smaller ones.
    """
    members = strata(sets, sets.shape[1]).members
    mean = len(sets) / max(len(members), 1)
    small = sorted((bag for bag in members if len(bag) < mean), key=len, reverse=True)
    found = [np.arange(len(sets))]
    left = copies
    for place, bag in enumerate(small):
        count = min(int(mean - len(bag)), left // (len(small) - place))
        found.append(bag[(generator.random(count) * len(bag)).astype(np.int64)])
        left -= count
    return np.concatenate(found)


def ml_ros(sets: Sets, copies: int, generator: np.random.Generator) -> Positions:
    """Copies of examples with a rare label, one of each rare label in turn until its IR is MeanIR or less."""
    rare, mean = rare_labels(sets)
    bags = {label: np.flatnonzero(sets[:, label]) for label in np.flatnonzero(rare).tolist()}
    counts = sets.sum(axis=0, dtype=np.int64)
    found = [*range(len(sets))]
    while len(found) < len(sets) + copies and bags:
        for label in list(bags):
            if len(found) == len(sets) + copies:
                break
            bag = bags[label]
            copied = int(bag[int(generator.random() * len(bag))])
            found.append(copied)
            counts += sets[copied]
            if imbalance_ratios(counts)[label] <= mean:
                del bags[label]
    return np.array(found, dtype=np.int64)


def single_label(sets: Sets, copies: int, generator: np.random.Generator) -> Positions:
    """Copies of examples whose only label is a rare one, one of each rare label in turn."""
    rare, _ = rare_labels(sets)
    alone = sets.sum(axis=1) == 1
    bags = [np.flatnonzero(alone & (sets[:, label] == 1)) for label in np.flatnonzero(rare)]
    bags = [bag for bag in bags if len(bag)]
    found = [*range(len(sets))]
    for number in range(copies if bags else 0):
        bag = bags[number % len(bags)]
        found.append(int(bag[int(generator.random() * len(bag))]))
    return np.array(found, dtype=np.int64)


def ml_rus(sets: Sets, removed: int, generator: np.random.Generator) -> Positions:
    """Without examples that have no rare label: one of each frequent label in turn until its IR is MeanIR.

    The authors' own package (mldr.resampling) draws them from all examples without a rare label at once, and
    stops for no label.
    """
    rare, mean = rare_labels(sets)
    free = ~sets[:, rare].any(axis=1)
    counts = sets.sum(axis=0, dtype=np.int64)
    waiting = {}
    for label in np.flatnonzero(~rare & (counts > 0)).tolist():
        bag = np.flatnonzero(free & (sets[:, label] == 1))
        waiting[label] = bag[np.argsort(generator.random(len(bag)), kind="stable")].tolist()
    is_kept = np.ones(len(sets), dtype=np.bool_)
    while removed > 0 and waiting:
        for label in list(waiting):
            bag = waiting[label]
            while bag and not is_kept[bag[-1]]:
                bag.pop()
            if not bag or removed == 0 or imbalance_ratios(counts)[label] >= mean:
                del waiting[label]
                continue
            taken = bag.pop()
            is_kept[taken] = False
            counts -= sets[taken]
            removed -= 1
    return np.flatnonzero(is_kept)


_RESAMPLE: dict[str, Callable[[Sets, int, np.random.Generator], Positions]] = {
    "lp_ros": lp_ros,
    "ml_ros": ml_ros,
    "ml_rus": ml_rus,
    "single_label": single_label,
}
