"""How results are read: as a space and a stored sweep say it, and what is no rate or no row."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces.catalog import load_space
from search_spaces.config import DEFAULT_TARGETS, Targets
from search_spaces.errors import SpaceError
from search_spaces.problem import Problem
from search_spaces.reading import DEFAULT_READING, Reading, parse_rates, parse_reading
from search_spaces.space import SearchSpace

YAML = """
tpr_targets: [0.995, 0.98]
fpr_targets: [0.02]
rows: [loss, alm, sampler]
fixed: {dataset: digits, ratio: 20, loss: baseline_BCE}
"""
READ = Reading(targets=Targets(tpr=(0.995, 0.98), fpr=(0.02,)), rows=("loss", "constraint", "sampler"))


def test_a_space_says_it_and_no_id_depends_on_it(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(YAML)
    (tmp_path / "two.yaml").write_text(YAML.splitlines()[-1])
    one, two = (load_space(str(tmp_path / f"{name}.yaml")) for name in ("one", "two"))
    assert one.reading == READ
    assert two.reading == DEFAULT_READING
    assert [t.trial_id for t in one] == [t.trial_id for t in two]
    assert one.filter(lambda trial: True).reading == one.union(two).reading == READ


def test_what_is_the_default_is_not_written() -> None:
    assert DEFAULT_READING.as_keys() == {}
    assert READ.as_keys() == {
        "tpr_targets": [0.995, 0.98],
        "fpr_targets": [0.02],
        "rows": ["loss", "constraint", "sampler"],
    }
    assert parse_reading(READ.as_keys()) == READ
    half = Reading(targets=Targets(tpr=DEFAULT_TARGETS.tpr, fpr=(0.5,)))
    assert list(half.as_keys()) == ["fpr_targets"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("tpr_targets", [98], "tpr_targets[0]: expected a number below 1, given 98"),
        ("tpr_targets", 0.98, "tpr_targets: expected a list of at least one rate, like 0.98, given 0.98"),
        ("tpr_targets", [], "tpr_targets: expected a list of at least one rate, like 0.98, given []"),
        ("tpr_targets", [0.9, "x"], 'tpr_targets[1]: expected a number, given "x"'),
        ("fpr_targets", [0.1, 0], "fpr_targets[1]: expected a number above 0, given 0"),
        ("fpr_targets", [0.1, 0.1], "fpr_targets: expected distinct rates, given [0.1, 0.1]"),
        ("fpr_targets", [True], "fpr_targets[0]: expected a number, given true"),
        ("rows", "loss", 'rows: expected a list of at least one key, like loss, given "loss"'),
        (
            "rows",
            ["loss", "ratio"],
            'rows[1]: expected a key that tells trials of one block apart, given "ratio"',
        ),
        ("rows", ["seeds"], 'rows[0]: expected a key that tells trials of one block apart, given "seeds"'),
        ("rows", ["alm", "constraint"], 'rows[1]: expected every key once, given "constraint"'),
        ("rows", [3], "rows[0]: expected a key, like loss, given 3"),
        ("rows", ["los"], "rows[0]: expected a known key (dataset, ratio"),
    ],
)
def test_what_cannot_be_is_said_at_its_place(key: str, value: object, message: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_reading({key: value})
    assert str(caught.value).startswith(message)


def test_rates_keep_their_order() -> None:
    assert parse_rates("--tpr", [0.9, 0.995]) == (0.9, 0.995)


FIXED: dict[str, object] = {"dataset": "digits", "ratio": 20}
DOMAINS = {"loss.name": {"choice": ["bce", "ldam"]}}


def test_an_objective_is_one_of_the_rates_of_the_space() -> None:
    wanted = {"domains": DOMAINS, "objectives": ["val/fpr_at_tpr_99.5", "val/auroc"]}
    found = SearchSpace.searched("s", FIXED, wanted, reading=READ).search
    assert found is not None
    assert found.objectives == ("val/fpr_at_tpr_99.5", "val/auroc")
    assert [goal.better for goal in found.goals] == ["lower", "higher"]
    assert found.reading == READ
    with pytest.raises(SpaceError, match=r"objectives\[0\]: expected one of val/auroc, val/fpr_at_tpr_98, "):
        SearchSpace.searched("s", FIXED, wanted)


def test_without_objectives_a_search_pursues_what_steers_its_task() -> None:
    several = {
        "data": {
            "task": "multiclass",
            "source": {"name": "digits"},
            "classes": list(range(10)),
            "critical": [8, 9],
            "validation_per_class": 20,
            "test_per_class": 20,
        },
        "loss": "cross_entropy",
    }
    search = {"domains": {"epochs": {"int_uniform": [1, 9]}}}
    for fixed, objective in (
        (FIXED | {"loss": "baseline_BCE"}, "val/auroc"),
        (several, "val/critical_auroc"),
    ):
        found = SearchSpace.searched("s", fixed, search).search
        assert found is not None
        assert found.objectives == (objective,)
