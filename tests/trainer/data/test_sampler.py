from __future__ import annotations

from typing import Any

import pytest
import torch

from search_spaces.config import PowerSampler
from trainer.data.sampler import class_shares, epoch_order, share_holding

TARGETS = torch.tensor([0] * 60 + [1] * 40, dtype=torch.uint8)
TRAIN = torch.cat([torch.arange(0, 40), torch.arange(70, 75)])


def _order(kind: Any, seed: int = 0, train: torch.Tensor = TRAIN) -> torch.Tensor:
    return epoch_order(kind, train, TARGETS, torch.Generator().manual_seed(seed))


def test_shuffle_is_a_permutation_of_the_training_indices() -> None:
    order = _order("shuffle")
    assert order.dtype == torch.int64
    assert order.sort().values.equal(TRAIN)
    assert not order.equal(TRAIN)


@pytest.mark.parametrize(
    "kind", ["shuffle", "class_balanced", "square_root", "progressive", PowerSampler(exponent=0.25)]
)
def test_the_generator_alone_decides(kind: str) -> None:
    first = _order(kind)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert _order(kind).equal(first)
    assert torch.get_rng_state().equal(state)
    assert not _order(kind, seed=1).equal(first)


def test_class_balanced_draws_with_weights_of_one_over_the_class_size() -> None:
    drawn = torch.cat([_order("class_balanced", seed) for seed in range(4000)])
    assert len(drawn) == 4000 * len(TRAIN)
    counts = torch.bincount(drawn, minlength=len(TARGETS)).double()
    assert counts.nonzero().flatten().equal(TRAIN)
    weights = torch.where(TARGETS[TRAIN] == 1, 1 / 5, 1 / 40).double()
    expected = len(drawn) * weights / weights.sum()
    # Poisson deviations; 45 values, so five of them.
    assert ((counts[TRAIN] - expected).abs() < 5 * expected.sqrt()).all()


@pytest.mark.parametrize(
    ("kind", "progress", "weights"),
    [
        ("square_root", 0.0, (40**0.5, 5**0.5)),
        (PowerSampler(exponent=0.25), 0.0, (40**0.75, 5**0.75)),
        ("progressive", 0.0, (40, 5)),
        ("progressive", 0.5, (40 / 45 + 1 / 2, 5 / 45 + 1 / 2)),
        ("progressive", 1.0, (1, 1)),
    ],
)
def test_classes_are_drawn_in_their_shares(kind: Any, progress: float, weights: tuple[float, float]) -> None:
    asked = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    assert class_shares(kind, torch.tensor([40, 5]), progress).tolist() == pytest.approx(asked.tolist())
    orders = []
    for seed in range(4000):
        generator = torch.Generator().manual_seed(seed)
        orders.append(epoch_order(kind, TRAIN, TARGETS, generator, progress=progress))
    drawn = torch.cat(orders)
    counts = torch.bincount(drawn, minlength=len(TARGETS)).double()
    assert counts.nonzero().flatten().equal(TRAIN)
    sizes = torch.where(TARGETS[TRAIN] == 1, 5, 40)
    expected = len(drawn) * asked[TARGETS[TRAIN].long()] / sizes
    # Poisson deviations; 45 values, so five of them.
    assert ((counts[TRAIN] - expected).abs() < 5 * expected.sqrt()).all()


def test_class_balanced_with_one_class_draws_from_it() -> None:
    only = torch.arange(5, 15)
    order = _order("class_balanced", train=only)
    assert len(order) == 10
    assert set(order.tolist()) <= set(only.tolist())


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 5, 2], [12], [1] * 12])
def test_batches_that_hold_a_marked_example_are_counted(sizes: list[int]) -> None:
    marked = torch.tensor([0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0], dtype=torch.bool)
    holding, start = 0, 0
    for size in sizes:
        holding += any(marked[start : start + size].tolist())
        start += size
    assert share_holding(marked, sizes) == pytest.approx(holding / len(sizes))
    assert share_holding(~torch.ones(12, dtype=torch.bool), sizes) == 0.0


def test_of_no_batch_no_share_is_undefined() -> None:
    assert share_holding(torch.zeros(0, dtype=torch.bool), []) == 0.0
