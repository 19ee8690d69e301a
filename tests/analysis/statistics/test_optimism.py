"""The luck of the chosen one: by a slow loop, of nothing where there is no choice, and gone on average."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from analysis.cells import Cell
from analysis.records import Scored, TrialRecord, ValidationRecord
from analysis.select import rule_of
from analysis.statistics.draws import example_draws
from analysis.statistics.optimism import Choice, choice_of
from analysis.statistics.resampled import examples_key
from search_spaces.config import DEFAULT_TARGETS, Bce
from tests.analysis.stored_sweep import CIFAR, trial
from trainer.store import Standing
from trainer.tasks.base import task_arrays

ARRAYS = task_arrays(CIFAR, DEFAULT_TARGETS)


def candidate(number: int, targets: np.ndarray, scores: np.ndarray, *, found: int = 4) -> TrialRecord:
    config = trial(Bce(), epochs=10 + number)
    metrics = ARRAYS.summarize(targets, scores)
    validation = ValidationRecord(
        config.trial_id, found, 4, metrics, metrics["auroc"], examples=Scored(targets, scores)
    )
    standing = Standing("done", dict.fromkeys(config.seeds, "completed"), ())
    return TrialRecord(config, config.trial_id, standing, (), (), (), validation)


def cell(candidates: list[TrialRecord], rule: str | None = None) -> Cell:
    chosen_by = rule_of(CIFAR, rule, DEFAULT_TARGETS)
    valued = [one for one in candidates if one.validation is not None]
    chosen = max(valued, key=lambda one: chosen_by.metric.gain(chosen_by.value(one.validation)))  # type: ignore[arg-type]
    return Cell(CIFAR, "block", "BCE", "BCE", False, chosen_by, tuple(candidates), chosen, "rule value")


def of(made: Cell, draws: int = 200) -> Choice:
    found = choice_of(made, DEFAULT_TARGETS, draws)
    assert found is not None
    return found


def made_up(candidates: int, strengths: list[float], seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    generator = np.random.default_rng(seed)
    targets = np.repeat([1, 0], [40, 60])
    return targets, [generator.normal(size=100) + strengths[k] * targets for k in range(candidates)]


def test_it_is_the_slow_loop() -> None:
    targets, scores = made_up(5, [1.0] * 5, seed=0)
    found = of(cell([candidate(k, targets, s) for k, s in enumerate(scores)]), draws=30)
    strata = [np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)]
    key = f"choice/{examples_key(CIFAR, targets)}"
    (counts,) = example_draws(ARRAYS.strata(targets), None, draws=30, key=key)
    assert {tuple(s) for s in ARRAYS.strata(targets)} == {tuple(s) for s in strata}
    judged, lucky = [], []
    for draw in range(30):
        inside = np.repeat(np.arange(100), counts[:, draw])
        outside = np.flatnonzero(counts[:, draw] == 0)
        best = max(range(5), key=lambda k: roc_auc_score(targets[inside], scores[k][inside]))
        judged.append(roc_auc_score(targets[outside], scores[best][outside]))
        above = [roc_auc_score(targets[outside], s[outside]) - roc_auc_score(targets, s) for s in scores]
        lucky.append(np.mean(above))
    slope = np.cov(judged, lucky)[0, 1] / np.var(lucky, ddof=1)
    without = np.array(judged) - slope * np.array(lucky)
    assert found.corrected == pytest.approx(without.mean(), abs=1e-12)
    assert found.error == pytest.approx(np.std(without, ddof=1) / np.sqrt(30), abs=1e-12)
    assert found.candidates == 5
    assert found.value == pytest.approx(max(roc_auc_score(targets, s) for s in scores))
    assert found.corrected < found.value


def test_it_is_what_very_many_draws_judge_out_of_the_bag_come_to() -> None:
    """The definition: the mean of what is chosen in the bag, judged out of it. Few draws tell their error."""
    targets, scores = made_up(5, [1.0, 1.0, 0.9, 0.8, 0.5], seed=3)
    alike = np.random.default_rng(3).normal(size=100)  # networks see much alike
    scores = [0.4 * one + alike for one in scores]
    generator, judged = np.random.default_rng(0), []
    for _ in range(1500):
        inside = np.concatenate([generator.integers(0, 40, 40), generator.integers(40, 100, 60)])
        outside = np.setdiff1d(np.arange(100), inside)
        best = max(range(5), key=lambda k: roc_auc_score(targets[inside], scores[k][inside]))
        judged.append(roc_auc_score(targets[outside], scores[best][outside]))
    definition, error = np.mean(judged), np.std(judged) / np.sqrt(len(judged))
    found = of(cell([candidate(k, targets, s) for k, s in enumerate(scores)]), draws=500)
    assert found.corrected == pytest.approx(definition, abs=3 * (error + found.error))
    assert found.error < 0.5 * np.std(judged) / np.sqrt(500), "half as much as of a plain mean"


def test_where_no_epoch_is_chosen_stands_beside_where_that_was_trained() -> None:
    targets, scores = made_up(2, [1.5, 1.0], seed=0)
    candidates = [candidate(k, targets, s) for k, s in enumerate(scores)]
    assert math.isnan(of(cell(candidates)).scored_last)
    last = candidates[0].config.model_copy(update={"scored": "last"})
    beside = replace(candidates[1], config=last, trial_id=last.trial_id)
    found = of(cell([candidates[0], beside]))
    assert found.scored_last == rule_of(CIFAR, None, DEFAULT_TARGETS).value(beside.validation)  # type: ignore[arg-type]
    assert math.isnan(of(cell([beside])).scored_last), "nothing but itself"


def test_of_a_single_candidate_nothing_is_taken_away() -> None:
    targets, scores = made_up(1, [1.0], seed=0)
    found = of(cell([candidate(0, targets, scores[0])]))
    assert (found.candidates, found.corrected) == (1, found.value)


def test_what_cannot_be_corrected_says_why() -> None:
    targets, scores = made_up(3, [1.0] * 3, seed=0)
    candidates = [candidate(k, targets, s) for k, s in enumerate(scores)]
    reasons = {
        "mean-val-auroc": "the rule goes by single replicates",
        "ensemble-val-fpr98": "too few validation positives are left out of a draw to read that rate",
    }
    for rule, reason in reasons.items():
        found = of(cell(candidates, rule))
        assert math.isnan(found.corrected)
        assert found.reason == reason
    assert of(cell(candidates), draws=0).reason == "no draws were made"
    nothing = replace(cell(candidates), chosen=None)
    assert choice_of(nothing, DEFAULT_TARGETS) is None


def test_partial_candidates_are_no_rivals_of_complete_ones() -> None:
    targets, scores = made_up(3, [1.0, 1.0, 1.0], seed=0)
    candidates = [candidate(k, targets, s, found=4 if k else 2) for k, s in enumerate(scores)]
    complete = cell(candidates[1:])
    assert of(replace(complete, candidates=tuple(candidates))) == of(complete)


def test_on_average_the_luck_of_the_choice_is_gone() -> None:
    """Twenty candidates of one truth: the best on validation looks better than any is."""
    truth = 0.5 * (1 + math.erf(1 / 2))
    plain, corrected = [], []
    for seed in range(25):
        targets, scores = made_up(20, [1.0] * 20, seed=seed)
        found = of(cell([candidate(k, targets, s) for k, s in enumerate(scores)]), draws=60)
        plain.append(found.value - truth)
        corrected.append(found.corrected - truth)
    assert np.mean(plain) > 0.05
    assert abs(np.mean(corrected)) < 0.02
