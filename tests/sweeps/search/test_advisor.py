"""The searcher against random search on a function in closed form; no training, no store."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy.stats import binomtest

from search_spaces.catalog import load_space
from search_spaces.config import TrialConfig
from search_spaces.search import Search
from sweeps.search.advisor import Advisor, from_json, settled, to_json
from sweeps.search.outcome import Outcome

SAMPLES = 40
SEEDS = 50

# How good a loss is at best, and the parameter with which it is.
BEST = {"bce": 0.0, "s_lm": 0.02, "a_lm": 0.01, "s_fl": 0.0, "a_fl": 0.01, "cb_bce": 0.01}
BEST |= {"w_bce": 0.02, "ldam": 0.03, "mbauc": -0.05}
PARAMETERS = {"margin": 1.5, "gamma": 1.0, "weight_factor": 0.6, "max_margin": 0.5}


def paper_search(seed: int) -> Search:
    search = load_space("paper-search").search
    assert search is not None
    return replace(search, seed=seed, start=())


def surrogate(config: TrialConfig) -> float:
    """An AUROC with the paper's shape: better with a constraint of the right penalty and margin."""
    value = 0.8 + BEST[config.loss.name]
    for name, best in PARAMETERS.items():
        if name in type(config.loss).model_fields:
            value -= 0.02 * math.log(getattr(config.loss, name) / best) ** 2
    if config.constraint is not None:
        penalty, margin = config.constraint.penalty, config.constraint.margin
        value += 0.06 - 0.01 * (math.log10(penalty) + 5) ** 2 - 0.2 * (margin - 0.3) ** 2
    return value


def searched(seed: int) -> float:
    search = paper_search(seed)
    advisor = Advisor(search)
    found = []
    for number in range(SAMPLES):
        asked, drawn = advisor.ask(number)
        found.append(surrogate(search.trial(settled(search, drawn))))
        advisor.tell(asked, Outcome("completed", (found[-1],)))
    return max(found)


def drawn_at_random(seed: int) -> float:
    search = paper_search(seed)
    return max(surrogate(search.trial(search.random_point(seed, index))) for index in range(SAMPLES))


@pytest.mark.group(name="search")
def test_the_searcher_beats_random_search() -> None:
    """Sign test over 50 seeds, each with as many trials for both."""
    pairs = [(searched(seed), drawn_at_random(seed)) for seed in range(SEEDS)]
    wins = sum(ours > random for ours, random in pairs)
    ties = sum(ours == random for ours, random in pairs)
    p = binomtest(wins, SEEDS - ties, alternative="greater").pvalue
    print(f"searcher better in {wins} of {SEEDS} seeds ({ties} ties), one-sided sign test p = {p:.2g}")
    assert p < 0.01


def test_points_survive_writing_and_reading() -> None:
    search = paper_search(1)
    for index in range(20):
        point = search.random_point(1, index)
        assert from_json(search, to_json(search, point)) == point
    assert from_json(search, {"loss.name": "focal"}) is None
    assert from_json(search, {"loss.name": "bce"}) is None
    assert from_json(search, {"loss.name": "mbauc", "epochs": 3}) is None


def test_a_suggestion_depends_on_what_is_known_and_its_number_alone() -> None:
    search = paper_search(1)
    advisors = [Advisor(search), Advisor(search)]
    for index in range(15):
        point = search.random_point(7, index)
        outcome = Outcome("completed", (surrogate(search.trial(point)),))
        advisors[0].tell(advisors[0].add(point, Outcome("running")), outcome)
        advisors[1].add(point, outcome)
    advisors[0].discard(advisors[0].ask(3)[0])
    assert advisors[0].ask(15)[1] == advisors[1].ask(15)[1] != advisors[1].ask(16)[1]
