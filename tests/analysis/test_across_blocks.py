"""Effect and ranks across blocks as tables and figures: what is told, in which files, and why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.across_frame import across_frame
from analysis.figure_files import delete_figures
from analysis.pictures import pictures
from analysis.report import report
from analysis.statistics.ranks import RankedRow, Ranks, critical_difference
from analysis.tables import Tables, make_tables, write_made, write_tables
from search_spaces.config import Bce, Digits, MedMnist
from search_spaces.config.metrics import auroc
from search_spaces.config.sources.mosaics import DigitMosaic
from tests.analysis.stored_sweep import ALM, FOLDER, SweepBuilder, cell, trial
from tests.figure_texts import cut_texts, overlapping_texts

ENDINGS = (".csv", "-long.csv", ".json", ".md", ".tex")
NAMES = [f"{name}{ending}" for name in ("across", "ranks") for ending in ENDINGS]
SEEDS = (1, 2, 3, 4, 5, 6)


def add(builder: SweepBuilder, seeds: tuple[int, ...]) -> None:
    """Two data sets, in each a row with and without the constraint."""
    for name, data in (("cifar", None), ("folder", FOLDER)):
        fields = {} if data is None else {"data": data}
        builder.complete(trial(Bce(), seeds=seeds, **fields), name, 1.0, 0.9)
        builder.complete(trial(Bce(), ALM, seeds=seeds, **fields), f"{name}-alm", 1.0, 1.4)


@pytest.fixture
def two(builder: SweepBuilder) -> SweepBuilder:
    add(builder, SEEDS)
    return builder


def test_all_formats_are_written_alike_twice_and_leave_with_the_second_block(
    two: SweepBuilder, tmp_path: Path
) -> None:
    made = make_tables(two.store, two.manifest(), draws=300)
    write_made(made, "golden", tmp_path)
    first = [(tmp_path / name).read_bytes() for name in NAMES]
    write_made(make_tables(two.store, two.manifest(), draws=300), "golden", tmp_path)
    assert [(tmp_path / name).read_bytes() for name in NAMES] == first
    area = json.loads((tmp_path / "across.json").read_text())[0]
    assert (area["row"], area["metric"], area["pairs"], area["drawn"]) == (
        "BCE",
        "auc",
        2,
        "seeds and examples",
    )
    assert area["difference_low"] < area["difference"] < area["difference_high"]
    lone = SweepBuilder(two.folder, two.trials[:2])
    write_tables(lone.store, lone.manifest(), tmp_path)
    assert not [name for name in NAMES if (tmp_path / name).exists()], "one block is nothing across"


def test_few_data_sets_are_held_fixed_and_ranked_without_a_test_and_that_is_said(
    two: SweepBuilder, tmp_path: Path
) -> None:
    made = make_tables(two.store, two.manifest(), draws=300)
    write_made(made, "golden", tmp_path)
    text = (tmp_path / "across.md").read_text()
    assert "2 data sets, held fixed: a bootstrap over fewer than 6 draws from too few." in text
    assert "- AUROC of BCE: 2 pairs in 2 blocks of 2 data sets." in text
    assert "2 pairs not resolved." in text, "20 positives do not resolve 98 %"
    assert "FPR@98" not in text.partition("| BCE")[0], "without a value, a metric has no column"
    ranks = (tmp_path / "ranks.md").read_text()
    difference = critical_difference(2, 2)
    assert f"with 2 two mean ranks would have to differ by {difference:.1f}, of 1 at most." in ranks
    assert [picture.name for picture in pictures(made) if picture.name.startswith("ranks")] == []


def test_ranks_are_those_of_the_tables_values(two: SweepBuilder) -> None:
    made = make_tables(two.store, two.manifest(), draws=0)
    (ranks,) = [one for one in made.statistics.ranks if one.metric == auroc()]
    better = 0
    for block in (0, 1):
        better += cell(made, "BCE + ALM", block)["auc"] > cell(made, "BCE", block)["auc"]
    assert ranks.rows[1].mean == pytest.approx(2 - better / 2)


def test_a_report_has_both(two: SweepBuilder) -> None:
    page = report(make_tables(two.store, two.manifest(), draws=100), "golden")
    for title in ("Interquartile mean of differences", "Probability of improvement", "Mean ranks"):
        assert title in page
    assert "Ranks without a test, which takes 10 data sets" in page


def test_few_seeds_have_numbers_without_intervals_and_a_note(builder: SweepBuilder, tmp_path: Path) -> None:
    add(builder, (1, 2, 3))
    made = make_tables(builder.store, builder.manifest(), draws=100)
    frame = across_frame(made.statistics.across)
    (area,) = frame[frame["metric"] == "auc"].to_dict("records")
    assert (area["seeds_least"], area["drawn"]) == (3, "")
    write_made(made, "golden", tmp_path)
    text = (tmp_path / "across.md").read_text()
    assert "BCE: AUC: 3 common seeds, too few for an interval (at least 6)" in text


def with_ranks(made: Tables) -> Tables:
    """The tables with many rows ranked in ten data sets."""
    rows, means = [], [1.4 + 0.83 * place for place in range(17)]
    for place, mean in enumerate(means):
        name = f"S-LM model.width={place} sampler=class_balanced_with_a_long_name + ALM"
        rows.append(RankedRow(name, mean, {}))
    names = [row.row for row in rows]
    ranks = Ranks(
        metric=auroc(),
        rows=tuple(reversed(rows)),
        blocks=tuple(map(str, range(10))),
        data_sets=tuple(map(str, range(10))),
        difference=critical_difference(17, 10),
        friedman=(25.2, 5e-12),
        together=(tuple(names[:10]), tuple(names[4:14]), tuple(names[7:])),
    )
    return replace(made, statistics=replace(made.statistics, ranks=(ranks,)))


def test_of_ten_data_sets_there_is_a_diagram_with_its_numbers(two: SweepBuilder, tmp_path: Path) -> None:
    made = make_tables(two.store, two.manifest(), draws=0)
    many = with_ranks(made)
    (picture,) = [picture for picture in pictures(many) if picture.name == "ranks-1"]
    figure = picture.figure
    assert cut_texts(figure) == []
    assert overlapping_texts(figure) == []
    numbers = picture.numbers
    assert numbers is not None
    assert list(numbers["mean_rank"]) == sorted(numbers["mean_rank"])
    assert len(numbers["not_apart_from"].iloc[0].split("; ")) == 9
    assert len(numbers["not_apart_from"].iloc[8].split("; ")) == 16, "joined by two bars or more"


def test_diagrams_of_what_an_earlier_table_ranked_are_deleted(tmp_path: Path) -> None:
    for name in ("ranks-1.png", "ranks-1.svg", "ranks-2.csv", "ranks.csv"):
        (tmp_path / name).write_text("")
    delete_figures(tmp_path, keep=["ranks-1.svg"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ranks-1.svg", "ranks.csv"]


def test_the_same_images_are_one_data_set_at_any_size() -> None:
    assert MedMnist(subset="breastmnist").data_set == MedMnist(subset="breastmnist_64").data_set
    assert MedMnist(subset="breastmnist").data_set != MedMnist(subset="pathmnist").data_set
    assert FOLDER.source.data_set == FOLDER.source.model_copy(update={"size": 64}).data_set
    mosaic = DigitMosaic(classes=(1, 2), prevalences=(0.1, 0.2), train=9, validation=9, test=9)
    assert mosaic.data_set == Digits().data_set, "tiles are images of these"
