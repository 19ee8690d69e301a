"""Metrics against scikit-learn, brute force over thresholds, and hand-computed numbers."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from search_spaces.config.metrics import partial_aucs
from search_spaces.errors import InputError
from tests import reference
from trainer.metrics import binary as metrics

Labels = NDArray[np.int64]
Scores = NDArray[np.float64]

TPRS = ["0", "0.01", "0.07", "0.5", "0.9", "0.95", "0.98", "0.99", "1"]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Labels, Scores]:
    """Both classes present; few distinct scores, so that ties are common; zeros of both signs, infinities."""
    values = st.sampled_from([-math.inf, -2.5, -1.0, -0.0, 0.0, 1e-300, 0.5, 2.5, math.inf])
    rows = draw(st.lists(st.tuples(st.integers(0, 1), values), max_size=40))
    rows = draw(st.permutations([*rows, (0, draw(values)), (1, draw(values))]))
    return np.array([y for y, _ in rows]), np.array([s for _, s in rows])


def sample(size: int, positives: int, levels: int | None, seed: int) -> tuple[Labels, Scores]:
    """Overlapping classes; `levels` distinct scores at most, or no ties."""
    generator = np.random.default_rng(seed)
    targets = generator.permutation(np.arange(size) < positives).astype(np.int64)
    scores = generator.normal(size=size) + targets
    return targets, scores if levels is None else np.round(scores * levels / 6)


def check_against_sklearn(targets: Labels, scores: Scores) -> None:
    finite = np.clip(scores, -1e6, 1e6)  # scikit-learn refuses infinities; the order stays the same
    summary = metrics.summarize(targets, scores)
    assert summary["auroc"] == pytest.approx(sklearn_metrics.roc_auc_score(targets, finite), abs=1e-12)
    precision = sklearn_metrics.average_precision_score(targets, finite)
    assert summary["average_precision"] == pytest.approx(precision, abs=1e-12)
    for threshold in (-1.0, 0.0, 0.25, 3e6):
        accuracy = sklearn_metrics.balanced_accuracy_score(targets, (finite >= threshold).astype(int))
        ours = metrics.balanced_accuracy(targets, finite, threshold)
        assert ours == pytest.approx(accuracy, abs=1e-12)
    assert summary["balanced_accuracy"] == metrics.balanced_accuracy(targets, scores, 0.0)
    points = metrics.roc_points(targets, finite)
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(targets, finite, drop_intermediate=False)
    np.testing.assert_allclose(points.fpr, fpr, atol=1e-15)
    np.testing.assert_allclose(points.tpr, tpr, atol=1e-15)
    np.testing.assert_array_equal(points.thresholds, thresholds)


def check_operating_points(targets: Labels, scores: Scores) -> None:
    labels, values = targets.tolist(), scores.tolist()
    for rate in TPRS:
        expected = float(reference.fpr_at_tpr(labels, values, rate))
        assert metrics.fpr_at_tpr(targets, scores, float(rate)) == pytest.approx(expected, abs=1e-15)
        expected = float(reference.tpr_at_fpr(labels, values, rate))
        assert metrics.tpr_at_fpr(targets, scores, float(rate)) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("size", "positives"), [(2, 1), (10, 5), (50, 1), (50, 49), (200, 100), (2000, 20)])
@pytest.mark.parametrize("levels", [None, 40, 4, 1])
def test_agrees_with_sklearn(size: int, positives: int, levels: int | None) -> None:
    for seed in range(5):
        check_against_sklearn(*sample(size, positives, levels, seed))


@given(rankings())
def test_agrees_with_sklearn_on_any_ties(ranking: tuple[Labels, Scores]) -> None:
    check_against_sklearn(*ranking)


@pytest.mark.parametrize(("size", "positives"), [(2, 1), (10, 5), (60, 50), (110, 10), (200, 100)])
@pytest.mark.parametrize("levels", [None, 40, 4, 1])
def test_operating_points_agree_with_brute_force(size: int, positives: int, levels: int | None) -> None:
    for seed in range(3):
        check_operating_points(*sample(size, positives, levels, seed))


@given(rankings())
def test_operating_points_agree_with_brute_force_on_any_ties(ranking: tuple[Labels, Scores]) -> None:
    check_operating_points(*ranking)


@pytest.mark.parametrize("positives", [10, 50, 100, 300, 1000])
def test_rates_that_hit_a_count_do_so_exactly(positives: int) -> None:
    """Alternating P, N, P, N, ...: k positives cost k - 1 negatives; k negatives buy k + 1 positives."""
    targets = np.tile([1, 0], positives)
    scores = -np.arange(2 * positives, dtype=np.float64)
    for percent in range(1, 101):
        needed = -(-percent * positives // 100)
        assert metrics.fpr_at_tpr(targets, scores, percent / 100) == (needed - 1) / positives
        allowed = percent * positives // 100
        assert metrics.tpr_at_fpr(targets, scores, percent / 100) == min(allowed + 1, positives) / positives


def test_hand_computed_operating_points() -> None:
    # Downwards: P | N | P P N (tied) | N | P.
    # Points (FPR, TPR): (0, 1/4) (1/3, 1/4) (2/3, 3/4) (1, 3/4) (1, 1).
    targets = [1, 0, 1, 1, 0, 0, 1]
    scores = [5.0, 4.0, 3.0, 3.0, 3.0, 2.0, 1.0]
    assert metrics.fpr_at_tpr(targets, scores, 0.25) == 0.0
    assert metrics.fpr_at_tpr(targets, scores, 0.26) == 2 / 3
    assert metrics.fpr_at_tpr(targets, scores, 0.75) == 2 / 3
    assert metrics.fpr_at_tpr(targets, scores, 0.76) == 1.0
    assert metrics.tpr_at_fpr(targets, scores, 0.66) == 0.25
    assert metrics.tpr_at_fpr(targets, scores, 0.67) == 0.75
    # 12 pairs; the first positive wins 3, each tied one wins 1 and ties 1, the last wins 0: 3 + 2 * 1.5 = 6.
    assert metrics.auroc(targets, scores) == 0.5
    # Recall gains 1/4, 2/4, 1/4 at precisions 1, 3/5 and 4/7.
    assert metrics.average_precision(targets, scores) == pytest.approx(1 / 4 + 3 / 10 + 1 / 7, abs=1e-15)
    # At 3: TPR 3/4, TNR 1/3.
    assert metrics.balanced_accuracy(targets, scores, 3.0) == pytest.approx((3 / 4 + 1 / 3) / 2, abs=1e-15)


def test_perfect_inverted_and_constant_scores() -> None:
    targets = np.array([1, 1, 0, 0])
    perfect = metrics.summarize(targets, [2.0, 1.0, -1.0, -2.0])
    assert perfect == {name: 0.0 if name.startswith("fpr") else 1.0 for name in perfect}
    inverted = metrics.summarize(targets, [-2.0, -1.0, 1.0, 2.0])
    assert (inverted["auroc"], inverted["fpr_at_tpr_90"], inverted["tpr_at_fpr_10"]) == (0.0, 1.0, 0.0)
    constant = metrics.summarize(targets, [0.0] * 4)
    assert (constant["auroc"], constant["fpr_at_tpr_98"], constant["tpr_at_fpr_10"]) == (0.5, 1.0, 0.0)


@given(rankings())
def test_summary_is_that_of_the_single_functions(ranking: tuple[Labels, Scores]) -> None:
    targets, scores = ranking
    found = metrics.summarize(targets, scores)
    for metric in partial_aucs():  # tests/trainer/metrics/test_partial.py
        del found[metric.name]
    assert found == {
        "auroc": metrics.auroc(targets, scores),
        "fpr_at_tpr_98": metrics.fpr_at_tpr(targets, scores, 0.98),
        "fpr_at_tpr_95": metrics.fpr_at_tpr(targets, scores, 0.95),
        "fpr_at_tpr_90": metrics.fpr_at_tpr(targets, scores, 0.90),
        "tpr_at_fpr_1": metrics.tpr_at_fpr(targets, scores, 0.01),
        "tpr_at_fpr_5": metrics.tpr_at_fpr(targets, scores, 0.05),
        "tpr_at_fpr_10": metrics.tpr_at_fpr(targets, scores, 0.10),
        "average_precision": metrics.average_precision(targets, scores),
        "balanced_accuracy": metrics.balanced_accuracy(targets, scores),
    }


@given(rankings())
def test_ranks_are_all_that_counts(ranking: tuple[Labels, Scores]) -> None:
    targets, scores = ranking
    _, ranks = np.unique(scores, return_inverse=True)
    ranked = metrics.summarize(targets, ranks)
    for name, value in metrics.summarize(targets, scores).items():
        assert name == "balanced_accuracy" or ranked[name] == value


def test_rows_are_scored_independently_and_nan_stays_in_its_row() -> None:
    targets, first = sample(60, 20, 10, seed=1)
    rows = np.stack([first, np.where(np.arange(60) == 7, np.nan, first), -first])
    table = metrics.summarize_rows(targets, rows)
    for row in (0, 2):
        assert {name: column[row] for name, column in table.items()} == metrics.summarize(targets, rows[row])
    assert all(math.isnan(column[1]) for column in table.values())


UNDEFINED = {
    "no examples": ([], []),
    "no positives": ([0, 0], [0.1, 0.2]),
    "no negatives": ([1, 1], [0.1, 0.2]),
    "a score is NaN": ([1, 0], [0.1, math.nan]),
}


@pytest.mark.parametrize("reason", UNDEFINED)
def test_undefined_is_nan_with_a_reason_and_never_zero(reason: str) -> None:
    targets, scores = UNDEFINED[reason]
    assert metrics.undefined_reason(targets, scores) == reason
    values = [
        *metrics.summarize(targets, scores).values(),
        metrics.auroc(targets, scores),
        metrics.fpr_at_tpr(targets, scores, 0.98),
        metrics.tpr_at_fpr(targets, scores, 0.05),
        metrics.average_precision(targets, scores),
        metrics.balanced_accuracy(targets, scores),
        *(array[0] for array in metrics.roc_points(targets, scores)),
    ]
    assert len(values) == 12 + 8
    assert all(math.isnan(value) for value in values)


def test_defined_data_have_no_reason() -> None:
    assert metrics.undefined_reason([1, 0], [math.inf, -math.inf]) is None


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int8, np.float32])
def test_targets_may_have_any_number_type(kind: type[np.generic]) -> None:
    targets, scores = sample(40, 10, 5, seed=2)
    assert metrics.summarize(targets.astype(kind), scores) == metrics.summarize(targets, scores)
    assert type(metrics.auroc(targets, scores.astype(np.float32))) is float


@pytest.mark.parametrize(
    ("targets", "scores", "message"),
    [
        ([1, 0], [0.5], r"given shapes \(2,\) and \(1,\)"),
        ([[1, 0]], [[0.5, 0.1]], r"given shapes \(1, 2\)"),
        ([1, 2], [0.5, 0.1], r"expected targets 0 and 1, given the values \[1, 2\]"),
        ([1.0, math.nan], [0.5, 0.1], "expected targets 0 and 1"),
    ],
)
def test_wrong_input_is_an_error(targets: list[float], scores: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        metrics.summarize_rows(targets, scores)


def test_single_row_functions_refuse_several_rows() -> None:
    for function in (metrics.summarize, metrics.auroc, metrics.roc_points):
        with pytest.raises(InputError, match=r"expected scores of shape \[N\], given \(2, 2\)"):
            function([1, 0], [[0.5, 0.1], [0.5, 0.1]])


@pytest.mark.parametrize("rate", [-0.1, 1.1, 98.0, math.nan])
def test_a_rate_outside_0_to_1_is_an_error(rate: float) -> None:
    with pytest.raises(InputError, match=r"expected a true positive rate in \[0, 1\]"):
        metrics.fpr_at_tpr([1, 0], [1.0, 0.0], rate)
    with pytest.raises(InputError, match=r"expected a false positive rate in \[0, 1\]"):
        metrics.tpr_at_fpr([1, 0], [1.0, 0.0], rate)


def test_importing_metrics_imports_no_heavy_library() -> None:
    code = "import sys, trainer.metrics.binary; print({'torch', 'sklearn', 'ray'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
