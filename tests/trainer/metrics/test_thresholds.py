"""Thresholds of labels against scikit-learn's curves, what too few positives leave open, and their spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_curve, precision_score, recall_score, roc_curve

from search_spaces.errors import InputError
from trainer.metrics.thresholds import (
    LabelThreshold,
    ThresholdRule,
    chosen_threshold,
    label_thresholds,
)

RULES = [
    ThresholdRule(),
    ThresholdRule("recall_at_precision", 0.6),
    ThresholdRule("precision_at_recall", 0.8),
    ThresholdRule("tpr", 0.9),
]


def some(examples: int, share: float, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Which examples have a label, one in `share`, and scores that tell something of it."""
    rng = np.random.default_rng(seed)
    has = rng.random(examples) < share
    has[:2] = [True, False]
    scores = rng.normal(size=examples) + 1.5 * has
    return has, np.round(scores) if ties else scores


@given(st.integers(0, 10_000), st.integers(10, 120), st.sampled_from([0.1, 0.5]), st.booleans())
def test_each_rule_finds_what_scikit_learns_curves_have(
    seed: int, examples: int, share: float, ties: bool
) -> None:
    has, scores = some(examples, share, seed, ties)
    precision, recall, thresholds = precision_recall_curve(has, scores)
    precision, recall = precision[:-1], recall[:-1]
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)

    def at(rule: ThresholdRule) -> tuple[float, float, float]:
        decided = scores >= chosen_threshold(has, scores, rule)
        return (
            float(f1_score(has, decided, zero_division=0)),
            float(precision_score(has, decided, zero_division=0)),
            float(recall_score(has, decided)),
        )

    assert at(RULES[0])[0] == pytest.approx(f1.max())
    assert chosen_threshold(has, scores, RULES[0]) in thresholds
    keeps = (precision >= 0.6 - 1e-12) & (recall > 0)
    if keeps.any():
        _, reached, found = at(RULES[1])
        assert found == pytest.approx(recall[keeps].max())
        assert reached == pytest.approx(precision[keeps & (recall == recall[keeps].max())].max())
    else:
        assert math.isnan(chosen_threshold(has, scores, RULES[1]))
    _, reached, found = at(RULES[2])
    assert found >= 0.8 - 1e-12
    assert reached == pytest.approx(precision[recall >= 0.8 - 1e-12].max())
    fpr, tpr, cuts = roc_curve(has, scores, drop_intermediate=False)
    first = np.argmax(tpr >= 0.9 - 1e-12)
    assert chosen_threshold(has, scores, RULES[3]) == cuts[first]
    assert np.mean(scores[~has] >= cuts[first]) == pytest.approx(fpr[first])


def test_too_few_positives_leave_a_threshold_open() -> None:
    assert ThresholdRule().why_unresolved(19) == "19 validation positives, expected at least 20"
    assert ThresholdRule().why_unresolved(20) is None
    assert ThresholdRule("recall_at_precision", 0.99).why_unresolved(20) is None
    # ceil(ln 0.05 / ln t): 59 of 95 %, 149 of 98 %, 29 of 90 %.
    for rule, least in (("tpr_95", 59), ("tpr_98", 149), ("precision_at_recall_90", 29), ("tpr_50", 20)):
        assert ThresholdRule.of(rule).why_unresolved(least) is None
        assert str(least) in str(ThresholdRule.of(rule).why_unresolved(least - 1))


def test_what_is_open_has_a_value_and_counts_but_no_interval() -> None:
    columns = [some(400, share, seed) for seed, share in enumerate((0.02, 0.3))]
    sets = np.stack([has for has, _ in columns], axis=1)
    outputs = np.stack([scores for _, scores in columns], axis=1)[None].repeat(2, axis=0)
    rare, frequent = label_thresholds(sets, outputs, ThresholdRule())
    assert rare.unresolved is not None
    assert rare.positives == sets[:, 0].sum() < 20
    assert rare.value == chosen_threshold(sets[:, 0], outputs[0, :, 0], ThresholdRule())
    assert all(map(math.isnan, (rare.low, rare.high, rare.deviation)))
    assert frequent.unresolved is None
    assert frequent.low <= frequent.value <= frequent.high
    assert frequent.deviation == 0
    assert frequent.positives + frequent.negatives == 400
    (never,) = label_thresholds(sets[:, 1:], -outputs[:, :, 1:], ThresholdRule("recall_at_precision", 0.99))
    assert math.isnan(never.value)
    assert never.unresolved == "no threshold keeps recall_at_precision_99"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_interval_is_that_of_resampled_examples(rule: ThresholdRule) -> None:
    """Against thresholds chosen one by one on resamples that NumPy draws."""
    has, scores = some(600, 0.3, 5)
    (found,) = label_thresholds(has[:, None], scores[None, :, None], rule, resamples=1000)
    rng, values = np.random.default_rng(1), []
    sides = np.flatnonzero(has), np.flatnonzero(~has)
    for _ in range(1000):
        drawn = np.concatenate([rng.choice(side, len(side)) for side in sides])
        values.append(chosen_threshold(has[drawn], scores[drawn], rule))
    expected = np.nanquantile(values, [0.025, 0.975])
    spread = np.nanstd(values)
    assert abs(found.low - expected[0]) < 0.5 * spread
    assert abs(found.high - expected[1]) < 0.5 * spread
    assert (found.low, found.high) != (found.value, found.value)


def test_a_threshold_may_be_shrunk_towards_the_pooled_one() -> None:
    columns = [some(500, share, seed) for seed, share in enumerate((0.1, 0.4))]
    sets = np.stack([has for has, _ in columns], axis=1)
    outputs = np.stack([scores for _, scores in columns], axis=1)[None]
    rule = ThresholdRule()
    own = label_thresholds(sets, outputs, rule)
    pooled = chosen_threshold(sets.ravel(), outputs[0].ravel(), rule)
    for before, after in zip(own, label_thresholds(sets, outputs, rule, shrink=50), strict=True):
        share = before.positives / (before.positives + 50)
        assert after.value == pytest.approx(share * before.value + (1 - share) * pooled)
        assert after.high - after.low == pytest.approx(share * (before.high - before.low))
    assert label_thresholds(sets, outputs, rule, shrink=0) == own


def test_the_deviation_is_over_replicates() -> None:
    has, scores = some(300, 0.3, 7)
    rng = np.random.default_rng(2)
    outputs = np.stack([scores + rng.normal(scale=0.2, size=300) for _ in range(4)])[:, :, None]
    (found,) = label_thresholds(has[:, None], outputs, ThresholdRule())
    each = [chosen_threshold(has, one[:, 0], ThresholdRule()) for one in outputs]
    assert found.deviation == pytest.approx(np.std(each))
    assert found.value == chosen_threshold(has, outputs.mean(axis=0)[:, 0], ThresholdRule())
    (single,) = label_thresholds(has[:, None], outputs[:1], ThresholdRule())
    assert math.isnan(single.deviation)


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_rules_read_back_from_their_names(name: str) -> None:
    assert ThresholdRule.of(name).name == name


@pytest.mark.parametrize("name", ["f1", "tpr", "tpr_0", "tpr_100", "tpr_x", ""])
def test_other_words_are_no_rules(name: str) -> None:
    with pytest.raises(InputError):
        ThresholdRule.of(name)


def test_without_positives_negatives_or_numbers_there_is_none() -> None:
    for has, scores in (([0, 0], [1, 2]), ([1, 1], [1, 2]), ([0, 1], [math.nan, 2])):
        assert math.isnan(chosen_threshold(has, scores, ThresholdRule()))
    (found,) = label_thresholds(np.ones((30, 1)), np.zeros((1, 30, 1)), ThresholdRule())
    assert found == LabelThreshold(found.value, 30, 0, "no validation negatives") or math.isnan(found.value)
    assert found.unresolved == "no validation negatives"
