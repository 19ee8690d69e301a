"""Intervals of a classifier: of which metrics, reproducible, undefined where metrics are, of their level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score, roc_curve

from analysis.statistics.draws import example_draws, seed_draws
from analysis.statistics.intervals import (
    Interval,
    acceleration,
    expanded_interval,
    outer_share,
    percentile_interval,
)
from analysis.statistics.resampled import SEEDS_KEY, bootstrap_intervals, examples_key, resample
from search_spaces.config import DEFAULT_TARGETS, Bce, Targets
from search_spaces.errors import InputError
from tests import reference
from tests.analysis.statistics.test_comparison import area, made_record
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL, trial
from trainer.metrics import binary as metrics
from trainer.metrics.ranking import auroc_influences
from trainer.tasks.base import task_arrays

BINARY = task_arrays(CIFAR, DEFAULT_TARGETS)
METRICS = ("auroc", *(f"fpr_at_tpr_{r}" for r in (98, 95, 90)), *(f"tpr_at_fpr_{r}" for r in (1, 5, 10)))


def intervals(
    targets: Sequence[int], scores: Sequence[float], *, draws: int = 1000, key: str = ""
) -> dict[str, Interval]:
    """Those of a binary task."""
    arrays = np.array(targets), np.array(scores, dtype=float)
    return bootstrap_intervals(BINARY, *arrays, draws=draws, key=key)


def made_up(positives: int, negatives: int, seed: int = 0) -> tuple[list[int], list[float]]:
    """Targets in mixed order and scores with many ties."""
    generator = np.random.default_rng(seed)
    targets = generator.permutation([1] * positives + [0] * negatives)
    scores = np.round(generator.normal(size=positives + negatives) + targets, 1)
    return [int(y) for y in targets], [float(s) for s in scores]


def test_ends_are_quantiles_of_the_draws() -> None:
    draws = np.random.default_rng(0).normal(size=501)
    for interval, share in (
        (percentile_interval(draws), 0.025),
        (expanded_interval(draws, 6), outer_share(6)),
    ):
        expected = [reference.percentile(draws.tolist(), end) for end in (share, 1 - share)]
        assert list(interval) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(expanded_interval(draws, 5).low), "too few seeds"
    assert math.isnan(percentile_interval(np.array([1.0, np.nan])).low)


def test_the_same_scores_give_the_same_interval_and_another_key_another() -> None:
    targets, scores = made_up(30, 60)
    once, again = (intervals(targets, scores) for _ in range(2))
    assert once == again
    assert intervals(targets, scores, key="other") != once
    order = np.random.default_rng(0).permutation(len(targets))
    mixed = intervals(np.array(targets)[order], np.array(scores)[order])
    width = once["auroc"].high - once["auroc"].low
    assert list(mixed["auroc"]) == pytest.approx(list(once["auroc"]), abs=0.15 * width)


def test_the_interval_holds_the_value_and_narrows_with_more_examples() -> None:
    widths = []
    for size in (20, 200):
        targets, scores = made_up(size, size)
        interval = intervals(targets, scores)["auroc"]
        assert interval.low <= metrics.auroc(targets, scores) <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    """Normal scores one deviation apart: the AUROC of the population is known."""
    truth = 0.5 * (1 + math.erf(1 / 2))
    targets = np.repeat([1, 0], [60, 90])
    held = 0
    for draw in range(100):
        scores = np.random.default_rng(draw).normal(size=150) + targets
        interval = intervals(targets, scores, draws=300, key=str(draw))["auroc"]
        held += interval.low <= truth <= interval.high
    assert 88 <= held <= 99


@pytest.mark.parametrize(
    ("targets", "scores"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3]),
        ([1, 1], [0.1, 0.2]),
        ([], []),
        ([1, 0, 1], [0.1, math.nan, 0.3]),
    ],
    ids=["no positives", "no negatives", "no examples", "a score is NaN"],
)
def test_undefined_metrics_have_no_intervals(targets: list[int], scores: list[float]) -> None:
    assert intervals(targets, scores) == {}


def test_infinite_scores_are_scores_like_any_other() -> None:
    infinite = intervals([1, 1, 0, 0], [math.inf, 2.0, 1.0, -math.inf])
    assert infinite == intervals([1, 1, 0, 0], [9.0, 2.0, 1.0, -9.0])


def test_wrong_targets_are_an_input_error() -> None:
    with pytest.raises(InputError, match="expected targets 0 and 1"):
        intervals([2, 0], [0.1, 0.2])


def test_any_rate_has_an_interval() -> None:
    targets, scores = made_up(30, 60)
    arrays = task_arrays(CIFAR, Targets(tpr=(0.995, 0.98), fpr=(0.2,)))
    found = bootstrap_intervals(arrays, np.array(targets), np.array(scores), draws=1000)
    assert set(found) == {"auroc", "fpr_at_tpr_99.5", "fpr_at_tpr_98", "tpr_at_fpr_20"}
    assert found["fpr_at_tpr_98"] == intervals(targets, scores)["fpr_at_tpr_98"]
    assert found["fpr_at_tpr_99.5"].high >= found["fpr_at_tpr_98"].high


def test_several_classes_have_intervals_of_their_columns_and_of_their_decisions() -> None:
    generator = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [40, 10, 20]).astype(np.int16)
    outputs = generator.normal(size=(70, 3)) + 2 * np.eye(3)[targets]
    arrays = task_arrays(LONG_TAIL, DEFAULT_TARGETS)
    found = bootstrap_intervals(arrays, targets, outputs, draws=500)
    summary = arrays.summarize(targets, outputs, decides_at_zero=False)
    of_columns = {f"{name}/{label}" for name in METRICS for label in (8, 9)}
    of_decisions = {"macro_f1", "accuracy", "balanced_accuracy", "recall/1", "recall/8", "recall/9"}
    assert set(found) == {*of_columns, "critical_auroc", *of_decisions}
    for name, interval in found.items():
        assert interval.low <= summary[name] <= interval.high, name


def test_intervals_of_an_ensemble_are_those_of_a_slow_loop() -> None:
    """Each draw written out as a test set of its own, and measured by scikit-learn."""
    targets, scores = map(np.array, made_up(31, 57))
    found = intervals(targets.tolist(), scores.tolist(), draws=60, key="slow")
    strata = [np.flatnonzero(targets == 1), np.flatnonzero(targets == 0)]
    (counts,) = example_draws(strata, None, draws=60, key="slow")
    areas, rates = [], []
    for draw in range(60):
        y, s = targets.repeat(counts[:, draw]), scores.repeat(counts[:, draw])
        assert (y.sum(), len(y)) == (31, 88)
        areas.append(roc_auc_score(y, s))
        fprs, tprs, _ = roc_curve(y, s, drop_intermediate=False)
        rates.append(min(fprs[tprs >= 0.9]))
    expected = [reference.percentile(rates, share) for share in (0.025, 0.975)]
    assert list(found["fpr_at_tpr_90"]) == pytest.approx(expected, abs=1e-12)
    value, jackknife = roc_auc_score(targets, scores), []
    for stratum in strata:
        left = [np.delete(np.arange(88), example) for example in stratum]
        jackknife.append([roc_auc_score(targets[kept], scores[kept]) for kept in left])
    expected = reference.bca_interval(areas, float(value), jackknife)
    assert list(found["auroc"]) == pytest.approx(expected, abs=1e-12)


def test_intervals_of_an_area_are_those_of_scipy() -> None:
    """Its BCa of two samples, of other draws: so many that the ends agree closely."""
    generator = np.random.default_rng(1)
    positives, negatives = generator.normal(size=20) + 2, generator.normal(size=35)
    targets = np.repeat([1, 0], [20, 35])
    found = intervals(targets.tolist(), [*positives, *negatives], draws=20_000)["auroc"]

    def areas(above: NDArray[np.float64], below: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        above, below = np.moveaxis(above, axis, -1), np.moveaxis(below, axis, -1)
        return np.mean(above[..., :, None] > below[..., None, :], axis=(-2, -1))

    expected = bootstrap(
        (positives, negatives), areas, method="BCa", n_resamples=20_000, batch=1000, rng=generator
    ).confidence_interval
    assert list(found) == pytest.approx(list(expected), abs=0.003)
    plain = bootstrap(
        (positives, negatives), areas, method="percentile", n_resamples=20_000, batch=1000, rng=generator
    ).confidence_interval
    assert plain.low > found.low + 0.02, "a test that the percentile interval fails"


def test_whole_groups_move_an_area() -> None:
    """The acceleration of examples that stand twice, as a group each, is that of the single ones."""
    generator = np.random.default_rng(2)
    scores = generator.normal(size=60)
    positive = np.arange(60) < 20
    alone = acceleration(auroc_influences(scores + positive, positive, ~positive))
    twice = auroc_influences(np.tile(scores + positive, 2), np.tile(positive, 2), ~np.tile(positive, 2))
    assert acceleration(twice, np.tile(np.arange(60), 2)) == pytest.approx(alone)
    assert acceleration(twice) != pytest.approx(alone, rel=0.1)
    assert acceleration(np.zeros(5)) == 0


def test_the_interval_of_a_mean_over_seeds_is_that_of_a_slow_loop() -> None:
    """Seeds and examples of a draw written out, measured pair by pair, and averaged."""
    generator = np.random.default_rng(4)
    targets = np.repeat([1, 0], [15, 25])
    outputs = (generator.normal(size=(7, 40)) + targets).astype(np.float32)
    record = made_record(trial(Bce()), [*range(7)], targets, outputs, DEFAULT_TARGETS)
    drawn = resample([record], 200)[record.trial_id]
    strata = [np.flatnonzero(targets == 1), np.flatnonzero(targets == 0)]
    (counts,) = example_draws(strata, None, draws=200, key=examples_key(record.config.data, targets))
    weights = seed_draws(7, 200, SEEDS_KEY)
    means = []
    for draw in range(200):
        rows = outputs.repeat(counts[:, draw], axis=1)
        areas = [area(row[:15], row[15:]) for row in rows]
        means.append(float(np.repeat(areas, np.round(7 * weights[:, draw]).astype(int)).mean()))
    expected = [reference.percentile(means, share) for share in (outer_share(7), 1 - outer_share(7))]
    assert list(drawn.mean_intervals()["auroc"]) == pytest.approx(expected, abs=1e-6)  # kept as float32
