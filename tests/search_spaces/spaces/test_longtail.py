"""The spaces of long tails hold the document's trials and the literature's, and correct once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from search_spaces.catalog import NAMED_SPACES, load_space
from search_spaces.config import LogitAdjusted, Sgd, SmallCnn
from search_spaces.labels import trial_label
from search_spaces.rows import cell_key, row_label
from search_spaces.space import SearchSpace


@pytest.mark.parametrize("name", NAMED_SPACES)
def test_only_the_document_corrects_twice_and_says_so(name: str) -> None:
    space = load_space(name)
    twice = [trial for trial in space if trial.corrects_twice]
    assert bool(twice) == (name == "longtail")
    for trial in twice:
        assert row_label(trial, space.reading.rows).endswith(" (corrected twice)")
        assert trial_label(trial).endswith(" (corrected twice)")


def test_the_document_s_trials() -> None:
    space = load_space("longtail")
    assert all(trial.scored == "last" and not trial.data.validates for trial in space)
    assert all(trial.model == SmallCnn(width=32, blocks=3) for trial in space)
    assert {(trial.epochs, trial.batch_size, trial.patience) for trial in space} == {(50, 32, None)}
    factors = Counter(trial.data.ratio for trial in space)
    assert factors == {None: 2, 10: 14, 50: 14, 200: 14}
    document = Sgd(learning_rate=1e-4, momentum=0.9, weight_decay=0.0)
    assert sum(trial.optimizer == document for trial in space) == 1 + 3 * 6


@pytest.mark.parametrize("name", ["longtail", "longtail-cifar-published"])
def test_where_nothing_is_chosen_every_trial_has_a_row(name: str) -> None:
    space = load_space(name)
    assert len({cell_key(trial, space.reading.rows) for trial in space}) == len(space)


def test_losses_that_count_stand_with_the_plain_order() -> None:
    space = load_space("longtail-cifar")
    assert all(trial.data.validates for trial in space)
    rows = {row_label(trial, space.reading.rows) for trial in space}
    assert {"CE", "CE class_balanced", "FL progressive", "LA", "VS", "LDAM-DRW"} <= rows
    assert len(rows) == 13


def test_balanced_softmax_is_logit_adjustment_with_tau_one() -> None:
    task: Any = {"dataset": "digits-longtail", "ratio": 10}
    for loss in ("balanced_softmax", {"name": "logit_adjusted", "tau": 1}):
        trial = SearchSpace.of("one", [{**task, "loss": loss}]).trials[0]
        assert trial.loss == LogitAdjusted(tau=1.0)
    named = SearchSpace.of("two", [{**task, "loss": "balanced_softmax"}, {**task, "loss": "logit_adjusted"}])
    assert len(named) == 1
