"""Copies of images with rare labels, and images left out: how many, of which labels, by the seed."""

from __future__ import annotations

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from search_spaces.config import (
    ConstraintConfig,
    LabelSetSampler,
    MultiLabel,
    MultiLabelBce,
    SmallCnn,
    TrialConfig,
)
from search_spaces.config.sampling import Resampling
from trainer.data.resampling import imbalance_ratios, rare_labels, resampled
from trainer.data.task import load_task
from trainer.fit import fit, train_epoch
from trainer.replicate import Replicate
from trainer.setup import TrialSetup

# Prevalences of the document: labels A and C are rare.
SHARES = np.array([0.085, 0.29, 0.17, 0.469])
METHODS: tuple[Resampling, ...] = ("lp_ros", "ml_ros", "ml_rus", "single_label")


def some_sets(examples: int, seed: int = 0) -> NDArray[np.uint8]:
    return (np.random.default_rng(seed).random((examples, 4)) < SHARES).astype(np.uint8)


def positions(method: Resampling, sets: NDArray[np.uint8], share: float, seed: int = 1) -> NDArray[np.int64]:
    sampler = LabelSetSampler(resample=method, share=share)
    everything = torch.arange(len(sets))
    return resampled(sampler, everything, torch.from_numpy(sets), seed).numpy()


@given(st.integers(0, 50), st.integers(50, 400), st.sampled_from(METHODS), st.sampled_from([0.1, 0.5, 0.9]))
def test_no_more_than_asked_is_added_or_left_out(
    seed: int, examples: int, method: Resampling, share: float
) -> None:
    sets = some_sets(examples, seed)
    found = positions(method, sets, share)
    times = np.bincount(found, minlength=examples)
    changed = int(share * examples)
    if method == "ml_rus":
        assert times.max() == 1
        assert examples - changed <= len(found) <= examples
    else:
        assert times.min() == 1
        assert examples <= len(found) <= examples + changed
    assert np.array_equal(found, positions(method, sets, share))


def test_ml_ros_copies_examples_with_rare_labels_in_turn_until_they_are_rare_no_more() -> None:
    sets = some_sets(4000)
    rare, mean = rare_labels(sets)
    assert rare.tolist() == [True, False, True, False]
    copied = positions("ml_ros", sets, 0.05)[4000:]
    assert len(copied) == 200
    assert sets[copied][:, rare].any(axis=1).all()
    everything = positions("ml_ros", sets, 4.0)
    ratios = imbalance_ratios(sets[everything].sum(axis=0, dtype=np.int64))
    assert len(everything) < 4000 * 5
    assert ratios[0] == pytest.approx(mean, rel=0.02)
    assert ratios[2] < 1.05 * mean


def test_lp_ros_gives_small_label_sets_equal_parts() -> None:
    names = [(0, 0)] * 70 + [(0, 1)] * 20 + [(1, 0)] * 8 + [(1, 1)] * 2
    sets = np.array(names, np.uint8)
    # The mean set has 25: with 30 copies the first takes 5, the others what is left in equal parts.
    copied = Counter(tuple(sets[place].tolist()) for place in positions("lp_ros", sets, 0.3)[100:])
    assert copied == {(0, 1): 5, (1, 0): 12, (1, 1): 13}


def test_ml_rus_leaves_out_no_example_with_a_rare_label() -> None:
    sets = some_sets(2000)
    rare, _ = rare_labels(sets)
    kept = positions("ml_rus", sets, 0.2)
    assert len(kept) == 1600
    assert np.array_equal(sets[:, rare].sum(axis=0), sets[kept][:, rare].sum(axis=0))
    before = imbalance_ratios(sets.sum(axis=0, dtype=np.int64))
    after = imbalance_ratios(sets[kept].sum(axis=0, dtype=np.int64))
    assert after[0] < before[0]


def test_the_plan_of_the_document_copies_images_with_one_label_that_is_rare() -> None:
    sets = some_sets(3000)
    rare, _ = rare_labels(sets)
    copied = sets[positions("single_label", sets, 0.1)[3000:]]
    assert len(copied) == 300
    assert np.all(copied.sum(axis=1) == 1)
    assert np.all(copied[:, rare].sum(axis=1) == 1)
    without = np.ones((10, 2), np.uint8)
    assert positions("single_label", without, 0.5).tolist() == list(range(10))


@pytest.mark.parametrize("method", METHODS)
def test_a_replicate_trains_on_what_is_resampled(method: Resampling) -> None:
    config = TrialConfig(
        data=MultiLabel.example(),
        model=SmallCnn(width=2),
        loss=MultiLabelBce(),
        sampler=LabelSetSampler(resample=method, share=0.5),
        epochs=2,
        batch_size=16,
        seeds=(1, 2),
    )
    setup = TrialSetup(config, load_task(config.data, None), torch.device("cpu"))
    first, second = (Replicate(setup, seed) for seed in config.seeds)
    assert len(first.sampled) > 160 or method == "ml_rus"
    assert not first.sampled.equal(second.sampled)
    first.begin_epoch()
    assert sum(first.batch_sizes) == len(first.sampled)
    assert first.counts["train_examples"] == 160
    rounds = list(fit([first, second]))
    assert all(np.isfinite(one.ensemble["ensemble/val/mean_average_precision"]) for one in rounds)


def test_a_replicate_that_goes_on_from_a_checkpoint_has_the_same_examples_and_outputs() -> None:
    config = TrialConfig(
        data=MultiLabel.example(),
        model=SmallCnn(width=2),
        loss=MultiLabelBce(),
        constraint=ConstraintConfig(penalty=1e-2),
        sampler=LabelSetSampler(resample="ml_ros", share=0.5),
        epochs=2,
        batch_size=16,
        seeds=(1,),
    )
    setup = TrialSetup(config, load_task(config.data, None), torch.device("cpu"))
    whole, resumed = Replicate(setup, 1), Replicate(setup, 1)
    train_epoch([whole])
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for replicate in (whole, resumed):
        train_epoch([replicate])
    assert resumed.sampled.equal(whole.sampled)
    assert np.array_equal(resumed.validation_outputs, whole.validation_outputs)
    assert whole.constraint is not None
    assert whole.constraint.multipliers.shape == (160, 2)
    assert whole.constraint.multipliers.max() > 0


def test_leaving_out_everything_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected a share below 1 with resample ml_rus, given 1"):
        LabelSetSampler(resample="ml_rus", share=1.0)
