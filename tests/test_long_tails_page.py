"""docs/long-tails.md names what there is, and its example is a space."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from search_spaces.catalog import NAMED_SPACES, load_space
from search_spaces.config import LOSS_TYPES
from search_spaces.longtail.named import OTHER_NAMES
from search_spaces.longtail.presets import TASKS
from search_spaces.policies import POLICIES
from search_spaces.space import SearchSpace

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "long-tails.md").read_text()


def row(part: str) -> set[str]:
    (line,) = re.findall(rf"^\| `{part}` \| (.*) \|$", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", line))


def test_all_that_may_be_tried_is_named() -> None:
    of_classes = {loss.type_name() for loss in LOSS_TYPES if "multiclass" in loss.tasks}
    assert row("loss") == of_classes | set(OTHER_NAMES)
    assert row("augmentation") == set(POLICIES)


@pytest.mark.parametrize("sampler", sorted(row("sampler")))
def test_samplers_are_known(sampler: str) -> None:
    given = {"dataset": "cifar10-longtail", "ratio": 10, "loss": "cross_entropy", "sampler": sampler}
    assert len(SearchSpace.of("one", [given])) == 1


def test_data_sets_are_named() -> None:
    named = set(re.findall(r"^\| `(\w+-longtail)` \|", PAGE, re.MULTILINE))
    assert named | {f"{name}-published" for name in named} == {name for name in TASKS if "-longtail" in name}


def test_spaces_and_their_files_exist() -> None:
    named = set(re.findall(r"almsweep run ([\w-]+)", PAGE))
    assert len(named) == 3
    assert named <= set(NAMED_SPACES)
    files = set(re.findall(r"`([\w-]+\.yaml)`", PAGE))
    assert len(files) == 3
    for name in files:
        assert len(load_space(str(ROOT / "docs" / "spaces" / name)))


def test_the_example_is_a_space() -> None:
    block = PAGE.partition("## Data\n")[2].partition("\n`imbalance`")[0]
    space = {"fixed": {**yaml.safe_load(block), "loss": "cross_entropy"}}
    trials = SearchSpace.of("example", [space["fixed"]]).trials
    assert trials[0].data.ratio == 100
    assert trials[0].data.steers == "macro_f1"
