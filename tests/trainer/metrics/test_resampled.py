"""Metrics of resampled test sets are those of the sets written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, recall_score

from search_spaces.config import DEFAULT_TARGETS, Targets
from tests import reference
from trainer.metrics import binary
from trainer.metrics.resampled import decision_metrics, false_positive_rates, ranking_metrics

RATES = {"fpr_at_tpr_98": "0.98", "fpr_at_tpr_95": "0.95", "fpr_at_tpr_90": "0.9"}
OTHER_RATES = {"tpr_at_fpr_1": "0.01", "tpr_at_fpr_5": "0.05", "tpr_at_fpr_10": "0.1"}
EXAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30)


def written_out(targets: list[int], scores: list[float], counts: list[int]) -> dict[str, float]:
    y, s = reference.repeated(targets, scores, counts)
    if len(set(y)) < 2:
        names = ("auroc", *RATES, *OTHER_RATES, "average_precision")
        return dict.fromkeys(names, float("nan"))
    found = {name: float(reference.fpr_at_tpr(y, s, tpr)) for name, tpr in RATES.items()}
    found |= {name: float(reference.tpr_at_fpr(y, s, fpr)) for name, fpr in OTHER_RATES.items()}
    found["average_precision"] = float(average_precision_score(y, s))
    return {"auroc": float(reference.auroc(y, s)), **found}


@given(EXAMPLES, st.integers(0, 2**31))
def test_ranking_metrics_are_those_of_the_set_written_out(rows: list[tuple[bool, int]], seed: int) -> None:
    """Ties, draws without a positive or a negative, and draws of any size among them."""
    targets = [int(y) for y, _ in rows]
    scores = [float(s) for _, s in rows]
    counts = np.random.default_rng(seed).integers(0, 4, size=(len(rows), 6))
    positive = np.array(targets) == 1
    found = ranking_metrics(np.array(scores), positive, ~positive, counts, DEFAULT_TARGETS, precision=True)
    for draw in range(6):
        expected = written_out(targets, scores, counts[:, draw].tolist())
        got = {name: float(values[draw]) for name, values in found.items()}
        assert got == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(EXAMPLES)
def test_with_every_count_one_they_are_the_sets_own(rows: list[tuple[bool, int]]) -> None:
    targets = np.array([int(y) for y, _ in rows])
    scores = np.array([float(s) for _, s in rows])
    positive = targets == 1
    found = ranking_metrics(scores, positive, ~positive, np.ones((len(rows), 2), np.int16), DEFAULT_TARGETS)
    summary = binary.summarize(targets, scores)
    for name, values in found.items():
        assert values == pytest.approx([summary[name]] * 2, abs=1e-12, nan_ok=True)


def test_many_draws_of_an_example_do_not_overflow() -> None:
    """More than 32,767 negatives stand in a draw."""
    scores = np.array([1.0, 0.0, 2.0])
    positive = np.array([True, False, False])
    counts = np.array([[1], [30_000], [30_000]], dtype=np.int16)
    found = ranking_metrics(scores, positive, ~positive, counts, DEFAULT_TARGETS)
    assert found["auroc"].tolist() == [0.5]
    assert found["fpr_at_tpr_98"].tolist() == [0.5]


def test_decision_metrics_are_scikit_learns_of_the_set_written_out() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(4, size=50)
    decided = np.where(generator.random(50) < 0.6, targets, generator.integers(5, size=50))
    counts = generator.integers(0, 3, size=(50, 20))
    found, recalls = decision_metrics(targets, decided, counts, classes=5)
    labels = list(range(5))
    for draw in range(20):
        y, d = targets.repeat(counts[:, draw]), decided.repeat(counts[:, draw])
        macro = f1_score(y, d, labels=labels, average="macro", zero_division=0)
        each = recall_score(y, d, labels=labels, average=None, zero_division=np.nan)
        assert found["macro_f1"][draw] == pytest.approx(macro, abs=1e-12)
        assert found["accuracy"][draw] == pytest.approx(accuracy_score(y, d), abs=1e-12)
        assert recalls[:, draw] == pytest.approx(each, abs=1e-12, nan_ok=True)
    assert np.isnan(found["balanced_accuracy"]).all(), "class 4 has no example"
    of_four, recalls = decision_metrics(targets, np.minimum(decided, 3), np.ones((50, 1), np.int16), 4)
    assert of_four["balanced_accuracy"] == pytest.approx(recalls.mean(axis=0), abs=1e-12)


@given(EXAMPLES, st.integers(0, 2**31))
def test_rates_at_many_targets_are_those_of_the_ranking(rows: list[tuple[bool, int]], seed: int) -> None:
    """Ties, draws without a positive or a negative, and draws of any size among them."""
    positive = np.array([is_positive for is_positive, _ in rows])
    scores = np.array([float(s) for _, s in rows])
    counts = np.random.default_rng(seed).integers(0, 4, size=(len(rows), 6))
    rates = Targets(tpr=(0.98, 0.95, 0.9, 0.5, 0.02))
    expected = ranking_metrics(scores, positive, ~positive, counts, rates)
    found = false_positive_rates(scores, positive, ~positive, counts, np.array(rates.tpr))
    for rate, values in zip(rates.tpr, found, strict=True):
        assert values == pytest.approx(expected[f"fpr_at_tpr_{100 * rate:g}"], abs=1e-12, nan_ok=True)
