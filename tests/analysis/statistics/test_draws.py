"""Bootstrap draws: stratified, of whole groups where there are groups, the same for the same key."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics import draws as module
from analysis.statistics.draws import example_draws, seed_draws
from trainer.metrics.resampled import Counts


def drawn(targets: np.ndarray, groups: np.ndarray | None = None, *, draws: int, key: str = "") -> Counts:
    strata = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    return np.hstack(list(example_draws(strata, groups, draws=draws, key=key)))


def test_classes_keep_their_size_and_every_example_has_its_chance() -> None:
    targets = np.random.default_rng(0).permutation(np.repeat([1, 0], [20, 50]))
    counts = drawn(targets, draws=2000)
    assert (counts[targets == 1].sum(axis=0) == 20).all()
    assert (counts[targets == 0].sum(axis=0) == 50).all()
    assert counts.mean(axis=1) == pytest.approx(np.ones(70), abs=0.15)
    # A count is binomial: of variance 1 - 1/n.
    assert counts[targets == 0].var() == pytest.approx(1 - 1 / 50, abs=0.05)


def test_the_same_key_gives_the_same_draws_and_another_key_others() -> None:
    targets = np.repeat([1, 0], [5, 9])
    once = drawn(targets, draws=30, key="a")
    assert np.array_equal(drawn(targets, draws=30, key="a"), once)
    assert not np.array_equal(drawn(targets, draws=30, key="b"), once)


def test_draws_in_parts_are_as_many_and_none_repeats_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD", 210)
    targets = np.repeat([1, 0], [10, 20])
    counts = drawn(targets, draws=25)
    assert counts.shape == (30, 25)
    assert (counts[targets == 0].sum(axis=0) == 20).all()
    assert len({tuple(column) for column in counts.T}) == 25


def test_whole_groups_are_drawn() -> None:
    """Patients with 1 to 4 images; whoever has a positive one stands in the positives' stratum."""
    generator = np.random.default_rng(1)
    groups = np.repeat([f"p{number}" for number in range(40)], generator.integers(1, 5, size=40))
    targets = np.zeros(len(groups), int)
    for group in ("p3", "p8", "p9", "p30"):
        targets[np.flatnonzero(groups == group)[0]] = 1
    order = generator.permutation(len(groups))
    groups, targets = groups[order], targets[order]
    counts = drawn(targets, groups, draws=500)
    for group in np.unique(groups):
        of_group = counts[groups == group]
        assert (of_group == of_group[0]).all(), "examples of a group are drawn together"
    first = np.unique(groups, return_index=True)[1]
    of_groups = dict(zip(groups[first].tolist(), counts[first], strict=True))
    positives = np.sum([of_groups[group] for group in ("p3", "p8", "p9", "p30")], axis=0)
    assert (positives == 4).all(), "as many groups with a positive as there are"
    assert (np.sum(list(of_groups.values()), axis=0) == 40).all()
    assert len(np.unique(counts.sum(axis=0))) > 1, "examples vary in number, as groups vary in size"


def test_groups_of_one_are_examples() -> None:
    targets = np.repeat([1, 0], [8, 12])
    alone = np.array([f"p{number}" for number in range(20)])
    assert np.array_equal(
        np.sort(drawn(targets, alone, draws=50).sum(axis=1)), np.sort(drawn(targets, draws=50).sum(axis=1))
    )


def test_the_weights_of_seeds_sum_to_one() -> None:
    weights = seed_draws(6, 4000, "a")
    assert weights.shape == (6, 4000)
    assert weights.sum(axis=0) == pytest.approx(np.ones(4000))
    assert weights.mean(axis=1) == pytest.approx(np.full(6, 1 / 6), abs=0.01)
    assert (weights * 6).var() == pytest.approx(1 - 1 / 6, abs=0.05)
