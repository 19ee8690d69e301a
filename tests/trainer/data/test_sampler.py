from __future__ import annotations

import pytest
import torch

from search_spaces.errors import InputError
from trainer.data.sampler import epoch_order

TARGETS = torch.tensor([0] * 60 + [1] * 40, dtype=torch.uint8)
TRAIN = torch.cat([torch.arange(0, 40), torch.arange(70, 75)])


def _order(kind: str, seed: int = 0, train: torch.Tensor = TRAIN) -> torch.Tensor:
    return epoch_order(kind, train, TARGETS, torch.Generator().manual_seed(seed))


def test_shuffle_is_a_permutation_of_the_training_indices() -> None:
    order = _order("shuffle")
    assert order.dtype == torch.int64
    assert order.sort().values.equal(TRAIN)
    assert not order.equal(TRAIN)


@pytest.mark.parametrize("kind", ["shuffle", "class_balanced"])
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


def test_class_balanced_with_one_class_draws_from_it() -> None:
    only = torch.arange(5, 15)
    order = _order("class_balanced", train=only)
    assert len(order) == 10
    assert set(order.tolist()) <= set(only.tolist())


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown sampler 'sorted'; known: shuffle, class_balanced"):
        _order("sorted")
