"""Bootstrap intervals: those of a slow loop, stratified, reproducible, undefined where the metrics are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import bootstrap
from analysis.bootstrap import (
    METRICS,
    UNDEFINED,
    Counts,
    as_columns,
    bootstrap_intervals,
    draw_resamples,
    resampled_metrics,
)
from search_spaces.errors import InputError
from tests import reference
from trainer.metrics import binary as metrics

TPRS = {"fpr_at_tpr_98": "0.98", "fpr_at_tpr_95": "0.95", "fpr_at_tpr_90": "0.9"}


def by_loop(targets: Sequence[int], scores: Sequence[float], counts: Sequence[int]) -> dict[str, float]:
    """The metrics of one resample, from the resample written out."""
    y, s = reference.repeated(targets, scores, counts)
    rates = {name: float(reference.fpr_at_tpr(y, s, tpr)) for name, tpr in TPRS.items()}
    return {"auroc": float(reference.auroc(y, s)), **rates}


def resample_counts(positives: int, negatives: int, resamples: int, seed: int) -> tuple[Counts, Counts]:
    """All parts of the resamples, joined."""
    first, second = zip(*draw_resamples(positives, negatives, resamples, seed), strict=True)
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
    found = bootstrap_intervals(targets, scores, resamples=resamples, seed=5)
    for name, values in drawn.items():
        expected = [reference.percentile(values, share) for share in (0.025, 0.975)]
        assert list(found[name]) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_the_set_itself_as_a_resample_has_its_own_metrics(rows: list[tuple[bool, int]]) -> None:
    targets = np.array([int(y) for y, _ in rows])
    scores = np.array([float(s) for _, s in rows])
    if targets.min() == targets.max():
        return
    positives, negatives = scores[targets == 1], scores[targets == 0]
    ones = [np.ones((len(group), 2), dtype=np.int32) for group in (positives, negatives)]
    found = resampled_metrics(positives, negatives, *ones)
    summary = metrics.summarize(targets, scores)
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
    once, again = (bootstrap_intervals(targets, scores) for _ in range(2))
    assert once == again
    assert bootstrap_intervals(targets, scores, seed=1) != once
    order = np.random.default_rng(0).permutation(len(targets))
    mixed = bootstrap_intervals(np.array(targets)[order], np.array(scores)[order])
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
        interval = bootstrap_intervals(targets, scores)["auroc"]
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
        interval = bootstrap_intervals(targets, scores, resamples=300)["auroc"]
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
def test_undefined_metrics_have_undefined_intervals(targets: list[int], scores: list[float]) -> None:
    found = bootstrap_intervals(targets, scores)
    assert set(found) == set(METRICS)
    assert all(math.isnan(end) for interval in found.values() for end in interval)


def test_infinite_scores_are_scores_like_any_other() -> None:
    infinite = bootstrap_intervals([1, 1, 0, 0], [math.inf, 2.0, 1.0, -math.inf])
    assert infinite == bootstrap_intervals([1, 1, 0, 0], [9.0, 2.0, 1.0, -9.0])


def test_wrong_targets_are_an_input_error() -> None:
    with pytest.raises(InputError, match="expected targets 0 and 1"):
        bootstrap_intervals([2, 0], [0.1, 0.2])


def test_columns_of_a_table() -> None:
    columns = as_columns(dict.fromkeys(METRICS, UNDEFINED))
    assert list(columns)[:4] == ["auc_low", "auc_high", "fpr_at_tpr_98_low", "fpr_at_tpr_98_high"]
