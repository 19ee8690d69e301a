"""Searches: conditions, points and the way back, first points, and messages for what cannot be."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.catalog import load_space
from search_spaces.config import SymmetricMargin, TrialConfig
from search_spaces.domains import IntUniform, LogUniform, Uniform
from search_spaces.errors import SpaceError
from search_spaces.labels import trial_label
from search_spaces.paper.named import constraint_by_name
from search_spaces.problem import Problem
from search_spaces.search import Point, Search
from search_spaces.space import SearchSpace

FIXED: dict[str, object] = {"dataset": "digits", "ratio": 20, "seeds": [1, 2]}
DOMAINS: dict[str, Any] = {
    "loss.name": {"choice": ["bce", "s_lm", "mbauc"]},
    "loss.margin": {"log_uniform": [0.1, 10], "when": {"loss.name": ["s_lm"]}},
    "alm": {"choice": ["none", "ALM_14_beg"], "when": {"loss.name": ["bce", "s_lm"]}},
    "alm.penalty": {"log_uniform": [1e-9, 1e-2]},
    "delta": {"uniform": [0, 1]},
}
indices = st.integers(0, 10**6)


def search(**changes: object) -> Search:
    found = SearchSpace.searched("s", FIXED, {"domains": DOMAINS, **changes}).search
    assert found is not None
    return found


@given(indices)
def test_what_depends_on_a_condition_is_there_exactly_where_it_holds(index: int) -> None:
    point = search().random_point(0, index)
    assert ("loss.margin" in point) == (point["loss.name"] == "s_lm")
    assert ("constraint" in point) == (point["loss.name"] != "mbauc")
    constrained = point.get("constraint", "none") != "none"
    assert ("constraint.penalty" in point) == ("constraint.margin" in point) == constrained
    trial = search().trial(point)
    assert (trial.constraint is not None) == constrained
    assert trial.seeds == search().seeds == (1, 2)


@given(indices)
def test_a_trial_is_found_at_its_point(index: int) -> None:
    space = load_space("paper-search").search
    for one in (search(), space):
        assert one is not None
        point = one.random_point(3, index)
        assert one.contains(point)
        assert one.locate(one.trial(point)) == point


def test_no_point_for_a_trial_outside() -> None:
    inside = search().trial({"loss.name": "s_lm", "loss.margin": 3.0, "constraint": "none"})
    assert search().locate(inside) is not None
    for change in (
        {"loss": SymmetricMargin(margin=11)},
        {"epochs": 99},
        {"constraint": constraint_by_name("ALM_12_beg", 1.5)},
    ):
        assert search().locate(inside.model_copy(update=change)) is None
    assert not search().contains({"loss.name": "bce"})
    assert not search().contains({"loss.name": "bce", "constraint": "none", "loss.margin": 1.0})
    assert not search().contains({"loss.name": "s_lm", "constraint": "none", "loss.margin": 11.0})


def test_draws_depend_on_seed_and_index_alone() -> None:
    draws = [repr(search().random_point(seed, index)) for seed in (1, 2) for index in range(3)]
    assert len(set(draws)) > 3
    assert draws == [repr(search().random_point(seed, index)) for seed in (1, 2) for index in range(3)]


def test_draws_are_trials_that_are_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = search()
    drawn = mine.draws(12)
    assert drawn == mine.draws(20)[:12]
    possible, build = [t for t in drawn if t.loss.name != "mbauc"], Search.trial

    def refuse_mbauc(self: Search, point: Point) -> TrialConfig:
        if point["loss.name"] == "mbauc":
            raise Problem("loss", "another", "mbauc")
        return build(self, point)

    monkeypatch.setattr(Search, "trial", refuse_mbauc)
    assert mine.draws(12) == possible
    assert 0 < len(possible) < len(drawn)


def test_finite_searches_can_be_listed() -> None:
    assert search().points() is None
    domains = {**DOMAINS, "loss.margin": {"choice": [1, 2], "when": {"loss.name": ["s_lm"]}}}
    domains |= {"alm.penalty": {"choice": [1e-3, 1e-4]}, "delta": {"choice": [0, 1]}}
    finite = search(domains=domains)
    points = finite.points()
    assert points is not None
    ids = [finite.trial(point).trial_id for point in points]
    # (bce + s_lm with 2 margins) x (none + 2 penalties x 2 margins), and mbauc
    assert len(ids) == len(set(ids)) == 3 * 5 + 1


def test_values_lie_in_domains() -> None:
    assert Uniform(0, 1).contains(1)
    assert not Uniform(0, 1).contains(True)
    assert not LogUniform(1, 2).contains("1")
    assert IntUniform(1, 3).contains(3)
    assert not IntUniform(1, 3).contains(2.0)
    assert Uniform(0, 0.12345678).settled(0.12345678) == 0.12345678
    assert LogUniform(1e-3, 1).settled(0.12345678) == 0.123457


def test_published_configurations_come_first() -> None:
    space = load_space("paper-search")
    published = {trial.trial_id for trial in load_space("paper-published")}
    assert len(space) == 17
    assert {trial.trial_id for trial in space} <= published
    assert {trial_label(trial).split()[1] for trial in space} == {"1:100"}
    # The paper's whole block lies in the search.
    assert space.search is not None
    block = [t for t in load_space("paper") if t.data == space.trials[0].data]
    assert len(block) == 821
    assert all(space.search.locate(trial) is not None for trial in block[::20])


def test_a_search_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "margins.yaml"
    path.write_text(
        """
fixed: {dataset: digits, ratio: 20, seeds: [1, 2]}
search:
  domains:
    loss.name: {choice: [bce, s_lm]}
    loss.margin: {log_uniform: [0.1, 10], when: {loss.name: [s_lm]}}
    alm: {choice: [none, ALM_14_beg]}
    alm.penalty: {log_uniform: [1e-9, 1e-2]}
  objectives: [val/auroc, val/fpr_at_tpr_98]
  start:
    - {loss: baseline_s_LM_m05, alm: ALM_15_beg}
  samples: 7
  seed: 3
"""
    )
    space = load_space(str(path))
    found = space.search
    assert found is not None
    assert (space.name, found.samples, found.seed, len(space)) == ("margins", 7, 3, 1)
    assert found.objectives == ("val/auroc", "val/fpr_at_tpr_98")
    assert found.start == (
        {
            "loss.name": "s_lm",
            "loss.margin": 0.5,
            "constraint": "ALM_14_beg",
            "constraint.penalty": 1e-5,
        },
    )
    assert found.with_seeds((5,)).trial(found.start[0]).seeds == (5,)


def broken(**changes: object) -> dict[str, object]:
    return {"domains": DOMAINS, **changes}


def domains(**changes: object) -> dict[str, object]:
    return {"domains": {**DOMAINS, **{key.replace("__", "."): value for key, value in changes.items()}}}


MESSAGES = {
    "search: expected a mapping of at least one key, given []": [],
    "search.objective: expected a known key": broken(objective="x"),
    "search.domains: expected a mapping of at least one key": {"samples": 3},
    "search.objectives[0]: expected one of val/auroc": broken(objectives=["test/auroc"]),
    "search.objectives[1]: expected every objective once": broken(objectives=["val/auroc", "val/auroc"]),
    "search.samples: expected a whole number of at least 1, given 0": broken(samples=0),
    "search.domains.ratio: expected every key once, given also as ratio": domains(ratio={"uniform": [1, 2]}),
    "search.domains.epochs: expected a number of at least 1, given 0": domains(
        epochs={"int_uniform": [0, 2]}
    ),
    "search.domains.loss.margin.when.loss.gamma: expected an earlier key with a choice": domains(
        loss__margin={"uniform": [1, 2], "when": {"loss.gamma": [1]}}
    ),
    "search.domains.loss.margin.when.loss.name[0]: expected an option of": domains(
        loss__margin={"uniform": [1, 2], "when": {"loss.name": ["focal"]}}
    ),
    "search.start: expected a list of settings, or published": broken(start="paper"),
    "search.start[0]: expected a configuration that lies in the domains": broken(
        start=[{"loss": "baseline_LDAM"}]
    ),
    "search.domains.loss.margin": domains(loss__margin={"uniform": [1, 2]}),
}


@pytest.mark.parametrize("message", MESSAGES)
def test_what_cannot_be_is_said_at_its_place(message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SearchSpace.searched("s", FIXED, MESSAGES[message])  # type: ignore[arg-type]
    assert f"search space s: {message}" in str(caught.value)


def test_seeds_are_no_dimension() -> None:
    with pytest.raises(SpaceError, match="seeds: expected a key that tells trials apart"):
        SearchSpace.searched("s", {"dataset": "digits"}, {"domains": {"seeds": {"choice": [[1], [2]]}}})


def test_a_part_stands_before_its_fields() -> None:
    turned = dict(itertools.islice(reversed(DOMAINS.items()), 5))
    with pytest.raises(SpaceError, match="expected constraint before it, given after it"):
        SearchSpace.searched("s", FIXED, {"domains": {"delta": {"uniform": [0, 1]}, **DOMAINS}})
    with pytest.raises(SpaceError):
        SearchSpace.searched("s", FIXED, {"domains": turned})


def test_a_search_stands_beside_fixed_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("search: {domains: {epochs: {int_uniform: [1, 2]}}}\ngrid: {loss: [baseline_BCE]}\n")
    with pytest.raises(SpaceError, match="grid: expected no other block than fixed beside search"):
        load_space(str(path))
