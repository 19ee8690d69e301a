"""docs/multilabel.md names what there is, and its example is a space."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from search_spaces.catalog import NAMED_SPACES
from search_spaces.config import LOSS_TYPES, SOURCE_TYPES
from search_spaces.config.sampling import Resampling
from search_spaces.multilabel.presets import TASKS
from search_spaces.space import SearchSpace
from trainer.metrics.thresholds import ThresholdRule

PAGE = (Path(__file__).parents[1] / "docs" / "multilabel.md").read_text()


def first_column(head: str) -> list[str]:
    """What the first column of a table names."""
    table = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)


def test_losses_samplers_and_sources_are_named() -> None:
    of_labels = {loss.type_name() for loss in LOSS_TYPES if "multi_label" in loss.tasks}
    assert set(first_column("`loss`")) == of_labels
    samplers = first_column("`sampler`")
    assert samplers.pop(0) == "shuffle"
    given = [yaml.safe_load(text) for text in samplers]
    assert {one["resample"] for one in given} == set(get_args(Resampling))
    fixed = {"dataset": "digits-multilabel", "loss": "ml_bce"}
    assert len(SearchSpace.of("s", [{**fixed, "sampler": one} for one in given])) == len(samplers)
    with_sets = {source.type_name() for source in SOURCE_TYPES if source.label_sets}
    assert set(first_column("source")) == with_sets


def test_rules_presets_and_spaces_are_known() -> None:
    rules = first_column("rule")
    assert [ThresholdRule.of(name).name for name in rules] == rules
    assert {name for name in TASKS if f"`{name}`" in PAGE} == set(TASKS)
    named = set(re.findall(r"almsweep run ([\w-]+)\s", PAGE))
    assert named == {"digits-multilabel", "multilabel"} <= set(NAMED_SPACES)


def test_the_example_is_a_space() -> None:
    block = PAGE.partition("## Data\n")[2].partition("\nImages with none")[0]
    (trial,) = SearchSpace.of("example", [{**yaml.safe_load(block), "loss": "ml_bce"}]).trials
    assert trial.data.columns("one_vs_rest") == ("13",)
    assert len(trial.data.labels) == 14
