"""Bootstrap intervals: those of a slow loop, stratified, reproducible, undefined where the metrics are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import bootstrap
from analysis.bootstrap import Counts, Interval, bootstrap_intervals, draw_resamples, resampled_metrics
from search_spaces.config import DEFAULT_TARGETS, Targets
from search_spaces.errors import InputError
from tests import reference
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL
from trainer.metrics import binary as metrics
from trainer.tasks.base import task_arrays

BINARY = task_arrays(CIFAR, DEFAULT_TARGETS)
TPRS = {"fpr_at_tpr_98": "0.98", "fpr_at_tpr_95": "0.95", "fpr_at_tpr_90": "0.9"}
FPRS = {"tpr_at_fpr_1": "0.01", "tpr_at_fpr_5": "0.05", "tpr_at_fpr_10": "0.1"}
METRICS = ("auroc", *TPRS, *FPRS)


def intervals(targets: Sequence[int], scores: Sequence[float], **options: int) -> dict[str, Interval]:
    """Those of a binary task."""
    return bootstrap_intervals(BINARY, np.array(targets), np.array(scores, dtype=float), **options)


def by_loop(targets: Sequence[int], scores: Sequence[float], counts: Sequence[int]) -> dict[str, float]:
    """The metrics of one resample, from the resample written out."""
    y, s = reference.repeated(targets, scores, counts)
    rates = {name: float(reference.fpr_at_tpr(y, s, tpr)) for name, tpr in TPRS.items()}
    rates |= {name: float(reference.tpr_at_fpr(y, s, fpr)) for name, fpr in FPRS.items()}
    return {"auroc": float(reference.auroc(y, s)), **rates}


def resample_counts(positives: int, negatives: int, resamples: int, seed: int) -> tuple[Counts, Counts]:
    """All parts of the resamples, joined."""
    first, second = zip(*draw_resamples([positives, negatives], resamples, seed), strict=True)
    return np.hstack(first), np.hstack(second)


def made_up(positives: int, negatives: int, seed: int = 0) -> tuple[list[int], list[float]]:
    """Targets in mixed order and scores with many ties."""
    generator = np.random.default_rng(seed)
    targets = generator.permutation([1] * positives + [0] * negatives)
    scores = np.round(generator.normal(size=positives + negatives) + targets, 1)
    return [int(y) for y in targets], [float(s) for s in scores]


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (1, 9), (7, 1), (12, 30), (60, 20)])
def test_intervals_are_those_of_a_slow_loop(positives: int, negatives: int) -> None:
    targets, scores = made_up(positives, negatives)
    resamples = 40
    first, second = resample_counts(positives, negatives, resamples, seed=5)
    drawn: dict[str, list[float]] = {name: [] for name in METRICS}
    for draw in range(resamples):
        of_class = {1: list(first[:, draw]), 0: list(second[:, draw])}
        counts = [int(of_class[y].pop(0)) for y in targets]
        for name, value in by_loop(targets, scores, counts).items():
            drawn[name].append(value)
    found = intervals(targets, scores, resamples=resamples, seed=5)
    for name, values in drawn.items():
        expected = [reference.percentile(values, share) for share in (0.025, 0.975)]
        assert list(found[name]) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_the_set_itself_as_a_resample_has_its_own_metrics(rows: list[tuple[bool, int]]) -> None:
    targets = np.array([int(y) for y, _ in rows])
    scores = np.array([float(s) for _, s in rows])
    if targets.min() == targets.max():
        return
    (column,) = BINARY.columns(targets, scores)
    ones = [np.ones((mask.sum(), 2), dtype=np.int32) for mask in (column.positive, column.negative)]
    found = resampled_metrics(column, DEFAULT_TARGETS, *ones)
    summary = BINARY.summarize(targets, scores, decides_at_zero=True)
    for name, values in found.items():
        assert values == pytest.approx([summary[name]] * 2, abs=1e-12)


def test_classes_keep_their_size_and_every_example_has_its_chance() -> None:
    first, second = resample_counts(20, 50, 2000, seed=0)
    assert (first.sum(axis=0) == 20).all()
    assert (second.sum(axis=0) == 50).all()
    assert first.mean(axis=1) == pytest.approx(np.ones(20), abs=0.15)
    # A count is binomial: of variance 1 - 1/n.
    assert second.var() == pytest.approx(1 - 1 / 50, abs=0.05)


def test_the_same_scores_give_the_same_interval_and_another_seed_another() -> None:
    targets, scores = made_up(30, 60)
    once, again = (intervals(targets, scores) for _ in range(2))
    assert once == again
    assert intervals(targets, scores, seed=1) != once
    order = np.random.default_rng(0).permutation(len(targets))
    mixed = intervals(np.array(targets)[order], np.array(scores)[order])
    width = once["auroc"].high - once["auroc"].low
    assert list(mixed["auroc"]) == pytest.approx(list(once["auroc"]), abs=0.1 * width)


def test_draws_in_chunks_are_as_many_and_as_stratified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_CHUNK", 70)
    first, second = resample_counts(10, 20, 25, seed=0)
    assert (first.shape, second.shape) == ((10, 25), (20, 25))
    assert (second.sum(axis=0) == 20).all()
    assert len({tuple(column) for column in second.T}) == 25, "no chunk repeats another"


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
        interval = intervals(targets, scores, resamples=300)["auroc"]
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
    rates = Targets(tpr=(0.995, 0.98), fpr=(0.2,))
    arrays = task_arrays(CIFAR, rates)
    found = bootstrap_intervals(arrays, np.array(targets), np.array(scores))
    assert set(found) == {"auroc", "fpr_at_tpr_99.5", "fpr_at_tpr_98", "tpr_at_fpr_20"}
    assert found["fpr_at_tpr_98"] == intervals(targets, scores)["fpr_at_tpr_98"]
    assert found["fpr_at_tpr_99.5"].high >= found["fpr_at_tpr_98"].high


def test_classes_are_the_strata_of_several_and_each_critical_one_has_its_intervals() -> None:
    generator = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [40, 10, 20]).astype(np.int16)
    outputs = generator.normal(size=(70, 3)) + 2 * np.eye(3)[targets]
    arrays = task_arrays(LONG_TAIL, DEFAULT_TARGETS)
    found = bootstrap_intervals(arrays, targets, outputs)
    summary = arrays.summarize(targets, outputs, decides_at_zero=False)
    of_columns = {f"{name}/{label}" for name in METRICS for label in (8, 9)}
    assert set(found) == {*of_columns, "critical_auroc"}
    for name, interval in found.items():
        assert interval.low <= summary[name] <= interval.high, name
    widths = [found[name].high - found[name].low for name in ("critical_auroc", "auroc/8", "auroc/9")]
    assert widths[0] < max(widths[1:])
