"""The two-stage study: how many trials, which ones, and that all of them are trials of the whole space."""

from __future__ import annotations

from collections import Counter

from search_spaces.catalog import load_space
from search_spaces.labels import block_label
from search_spaces.rows import row_label
from search_spaces.spaces.two_stage import TWO_STAGE, second_stage, stand_ins


def test_1364_trials_in_all_of_them_341_per_block() -> None:
    first = load_space(TWO_STAGE).trials
    second = stand_ins(first)
    assert (len(first), len(second)) == (84, 1280)
    assert set(Counter(block_label(t.data) for t in (*first, *second)).values()) == {341}
    assert set(Counter((block_label(t.data), row_label(t)) for t in second).values()) == {40}
    assert len({t.trial_id for t in (*first, *second)}) == 1364


def test_every_trial_is_one_of_the_paper() -> None:
    first = load_space(TWO_STAGE).trials
    paper = {t.trial_id for t in load_space("paper")}
    assert {t.trial_id for t in (*first, *second_stage(first))} == paper


def test_seeds_are_those_of_the_first_stage() -> None:
    chosen = load_space(TWO_STAGE).trials[0].model_copy(update={"seeds": (3, 4)})
    assert {t.seeds for t in second_stage([chosen])} == {(3, 4)}


def test_mbauc_has_no_second_stage() -> None:
    first = load_space(TWO_STAGE).trials
    assert second_stage(t for t in first if t.loss.name == "mbauc") == ()
