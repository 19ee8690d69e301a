"""How a trial stands follows from its markers alone, in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainer.store.state
from trainer.store.state import STATES, TrialFiles, standing

SEEDS = (3, 1, 2)


@pytest.mark.parametrize(
    ("ended", "notes", "status", "missing"),
    [
        ({}, {}, "pending", (3, 1, 2)),
        ({}, {"checkpoint": True}, "partial", (3, 1, 2)),
        ({}, {"failed": True}, "failed", (3, 1, 2)),
        ({1: "completed"}, {}, "partial", (3, 2)),
        ({1: "completed"}, {"failed": True, "checkpoint": True}, "failed", (3, 2)),
        ({1: "diverged"}, {}, "partial", (3, 2)),
        ({1: "completed", 2: "completed", 3: "completed"}, {"failed": True}, "done", ()),
        ({1: "completed", 2: "diverged", 3: "completed"}, {}, "diverged", ()),
        ({1: "diverged", 2: "pruned", 3: "completed"}, {}, "pruned", ()),
        ({1: "completed", 2: "pruned"}, {"failed": True}, "pruned", ()),
        ({9: "pruned"}, {}, "pending", (3, 1, 2)),
    ],
)
def test_status(ended: dict[int, str], notes: dict[str, bool], status: str, missing: tuple[int, ...]) -> None:
    found = standing(SEEDS, ended, **notes)
    assert (found.status, found.missing) == (status, missing)


def test_a_failure_is_that_of_the_seeds_it_names() -> None:
    assert standing(SEEDS, {1: "completed"}, failed=True).states == {3: "failed", 1: "completed", 2: "failed"}
    named = standing(SEEDS, {1: "completed"}, failed=True, failed_seeds=[1, 2])
    assert named.states == {3: "pending", 1: "completed", 2: "failed"}
    assert named.status == "failed"


def test_a_pruned_trial_is_pruned_as_a_whole() -> None:
    found = standing(SEEDS, {1: "completed", 2: "pruned"}, failed=True, failed_seeds=[3])
    assert found.states == {3: "pruned", 1: "completed", 2: "pruned"}


@given(
    st.lists(st.integers(0, 9), min_size=1, unique=True),
    st.dictionaries(st.integers(0, 9), st.sampled_from(STATES)),
    st.booleans(),
    st.booleans(),
)
def test_the_parts_of_a_standing_agree(
    seeds: list[int], ended: dict[int, str], failed: bool, checkpoint: bool
) -> None:
    found = standing(seeds, ended, failed=failed, checkpoint=checkpoint)
    assert list(found.states) == seeds
    assert (found.status == "done") == (set(found.states.values()) == {"completed"})
    assert (found.status in ("done", "diverged", "pruned")) == (not found.missing)
    waiting = tuple(seed for seed, state in found.states.items() if state in ("failed", "pending"))
    assert found.missing == waiting
    # What is known of other seeds changes nothing.
    wanted = {seed: state for seed, state in ended.items() if seed in seeds}
    assert standing(seeds, wanted, failed=failed, checkpoint=checkpoint) == found
    assert TrialFiles(ended, checkpoint, failed).standing(seeds) == found


def test_it_needs_no_library() -> None:
    tree = ast.parse(Path(trainer.store.state.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "collections.abc", "dataclasses", "typing"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
