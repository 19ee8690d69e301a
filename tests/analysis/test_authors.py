"""A sweep's selection beside the 68 configurations that the paper's authors publish."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from analysis.authors import authors_choices
from analysis.tables import Tables, make_tables, write_made, write_tables
from search_spaces.config import Bce, ClassBalancedBce, ConstraintConfig, ResNet10, SymmetricMargin
from search_spaces.errors import InputError
from search_spaces.paper.named import CONSTRAINTS
from search_spaces.paper.published import published_settings
from search_spaces.presets import PRESETS
from tests.analysis.stored_sweep import FOLDER, SweepBuilder, trial

# cifar10 1:100: the authors chose ALM_17_beg with 0.25 for BCE, ALM_16_beg with 0.1 for S-LM of margin 0.5.
PLACE = 5  # of its column
_PAPER: dict[str, Any] = {name: value for name, value in PRESETS["cifar10"].items() if name != "data"}


def alm(name: str, margin: float) -> ConstraintConfig:
    return CONSTRAINTS[name].model_copy(update={"margin": margin})


def compared(builder: SweepBuilder) -> Tables:
    return make_tables(builder.store, builder.manifest(), draws=200, compare_published=True)


def of_row(made: Tables, row: str) -> dict[str, Any]:
    frame = made.beside_frame
    (record,) = frame[(frame["row"] == row) & (frame["metric"] == "auc")].to_dict("records")
    return record


@pytest.fixture
def several(builder: SweepBuilder) -> SweepBuilder:
    """Of four cells: chosen as published, chosen otherwise, published not tried, published not trained."""
    builder.complete(trial(Bce(), **_PAPER), "bce", 0.75, 0.9)
    builder.complete(trial(Bce(), alm("ALM_17_beg", 0.25), **_PAPER), "a", 0.5, 1.5)
    builder.complete(trial(Bce(), alm("ALM_16_beg", 1.0), **_PAPER), "b", 3.0, 1.2)
    builder.complete(trial(Bce(), alm("ALM_15_beg", 0.25), **_PAPER), "c", 1.0, 1.2)
    builder.complete(trial(SymmetricMargin(margin=2.0), **_PAPER), "d", 1.0, 1.0)
    builder.add(trial(SymmetricMargin(margin=0.5), alm("ALM_16_beg", 0.1), **_PAPER))
    builder.complete(trial(SymmetricMargin(margin=4.0), alm("ALM_16_beg", 0.1), **_PAPER), "e", 1.0, 1.0)
    builder.complete(trial(Bce(), data=FOLDER), "folder", 1.0, 1.0)
    return builder


def test_there_are_as_many_as_the_authors_publish() -> None:
    assert len(authors_choices()) == len(published_settings()) == 68


def test_a_choice_is_the_same_or_says_in_what_it_differs(several: SweepBuilder) -> None:
    made = compared(several)
    assert list(dict.fromkeys(made.beside_frame["row"])) == ["BCE", "S-LM", "BCE + ALM", "S-LM + ALM"]
    same, other = of_row(made, "BCE"), of_row(made, "BCE + ALM")
    assert (same["same"], same["differs"], same["published_rank"]) == (True, "", 1)
    assert same["test"] == same["published_test"]
    assert math.isnan(same["difference"]), "of one trial there is none"
    assert (other["same"], other["differs"]) == (False, "constraint, delta")
    assert (other["alm"], other["published_alm"]) == ("ALM_16_beg", "ALM_17_beg")
    assert of_row(made, "S-LM")["differs"] == "loss"
    assert of_row(made, "S-LM")["other_settings"] == ""


def test_the_published_one_has_its_place_and_values_beside_the_chosen_ones(several: SweepBuilder) -> None:
    made = compared(several)
    other = of_row(made, "BCE + ALM")
    (cell,) = [cell for cell in made.cells if cell.row == "BCE + ALM" and "cifar10" in cell.block]
    by_value = sorted(cell.candidates, key=lambda one: -one.validation.metrics["auroc"])  # type: ignore[union-attr]
    published = next(one for one in cell.candidates if one.config.constraint == alm("ALM_17_beg", 0.25))
    assert other["published_trial_id"] == published.trial_id
    assert other["published_rank"] == 1 + by_value.index(published) == 3
    assert other["candidates_ranked"] == 3
    assert published.validation is not None
    assert other["published_val_rule"] == published.validation.metrics["auroc"] < other["val_rule"]
    lone = SweepBuilder(several.folder, [published.config])
    of_published = make_tables(lone.store, lone.manifest("lone"), draws=0).frame["auc"].iloc[0]
    assert other["published_test"] == of_published
    assert other["difference"] == pytest.approx(other["test"] - of_published)
    assert other["low"] <= other["difference"] <= other["high"]


def test_what_has_no_place_says_why(several: SweepBuilder) -> None:
    made = compared(several)
    untried, pending = of_row(made, "S-LM"), of_row(made, "S-LM + ALM")
    assert untried["published_trial_id"] == ""
    assert untried["remark"] == "the published configuration is none of the candidates"
    assert "the published configuration has no place: 4 pending" in pending["remark"]
    assert math.isnan(pending["published_test"])
    document = made.beside_document
    assert document is not None
    assert [row[PLACE].text for row in document.tables[0].rows] == ["1/1", "–", "3/3", "–"]
    first, second, third = document.facts
    assert first == (
        "Of the 68 configurations that the authors publish, 4 are of rows of this sweep; it chose 4 times, "
        "the same configuration 1 of these."
    )
    assert second == "Where it chose another, they differ in loss in 2, constraint in 1, delta in 1."
    assert third.endswith("in 2 cells, the first in 1; the last of its places is 3.")


def test_other_settings_than_the_papers_are_told(builder: SweepBuilder) -> None:
    narrow = {**_PAPER, "model": ResNet10(width=8)}
    builder.complete(trial(Bce(), **narrow), "narrow", 1.0, 1.0)
    record = of_row(compared(builder), "BCE")
    assert record["same"]
    assert record["other_settings"] == "model.width=8"


def test_all_formats_are_written_alike_twice_and_leave_with_the_comparison(
    several: SweepBuilder, tmp_path: Path
) -> None:
    names = [f"published{ending}" for ending in (".csv", "-long.csv", ".json", ".md", ".tex")]
    write_made(compared(several), "golden", tmp_path)
    first = [(tmp_path / name).read_bytes() for name in names]
    write_made(compared(several), "golden", tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == first
    rows = json.loads(first[2])
    assert {row["published_rank"] for row in rows} == {1, 3, None}
    write_tables(several.store, several.manifest(), tmp_path)
    assert not [name for name in names if (tmp_path / name).exists()], "of what an earlier table chose"


def test_a_sweep_without_such_cells_and_the_oracle_are_refused(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce(), data=FOLDER), "folder", 1.0, 1.0)
    with pytest.raises(InputError, match="expected a sweep with rows of the paper's tables"):
        compared(builder)
    builder.complete(trial(ClassBalancedBce(beta=0.99)), "cb", 1.0, 1.0)
    assert compared(builder).beside_document is not None
    with pytest.raises(InputError, match="expected a rule that selects on validation"):
        make_tables(builder.store, builder.manifest(), rule="oracle", draws=0, compare_published=True)
