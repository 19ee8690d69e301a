"""Figures of label sets: a panel per label, and files with the numbers that are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_score, recall_score

from analysis.cells import Cell
from analysis.co_occurrence import co_occurrences
from analysis.label_curves import precision_recall_frame
from analysis.pictures import pictures, write_figures
from analysis.records import TestRecord
from analysis.render.images import svg
from analysis.render.label_panels import MOST_PANELS, precision_recall_figure
from analysis.render.together import co_occurrence_figure
from analysis.tables import Tables, make_tables
from search_spaces.config import DigitMosaic, Manifest, MultiLabel, MultiLabelBce, TrialConfig
from tests.analysis.stored_sweep import SweepBuilder, trial
from tests.figure_texts import cut_texts, overlapping_texts
from trainer.store.outputs import outputs_table

SOURCE = DigitMosaic(classes=(8, 3, 1), prevalences=(0.1, 0.3, 0.5), train=9, validation=9, test=9)
TASK = MultiLabel(source=SOURCE, classes=(8, 3, 1), critical=(3,))
PAIRS = [[40, 10, 20], [10, 120, 60], [20, 60, 200]]
LONG = "Pneumonie ≥ 2 cm, links_oder_rechts (spät) "


def complete(
    builder: SweepBuilder,
    task: MultiLabel = TASK,
    *,
    rarest: float = 0.1,
    told: bool = True,
) -> TrialConfig:
    """A trial of two seeds, on 300 images; the first label is on a share `rarest` of them."""
    config = builder.add(trial(MultiLabelBce(), data=task, seeds=(1, 2)))
    count = len(task.labels)
    shares = np.linspace(rarest, 0.5, count)
    generator = np.random.default_rng(5)
    sets = {}
    for split in ("val", "test"):
        sets[split] = (generator.random((300, count)) < shares).astype(np.uint8)
    facts = {"label_pairs": PAIRS} if told and count == len(PAIRS) else {}
    for seed in config.seeds:
        noise = np.random.default_rng(seed)
        tables = []
        for split, has in sets.items():
            outputs = noise.normal(size=has.shape) + 1.5 * has - 1.5
            ids = [f"{number:05d}" for number in range(300)]
            tables.append(outputs_table(split, ids, has, outputs.astype(np.float32)))
        builder.replicate(config, seed, pa.concat_tables(tables), **facts)
    return config


def tables(builder: SweepBuilder) -> Tables:
    """Without intervals, which no figure of labels shows."""
    return make_tables(builder.store, builder.manifest(), draws=0)


def only(made: Tables) -> tuple[Cell, TestRecord]:
    (cell,) = made.cells
    assert cell.test is not None
    return cell, cell.test


def panels(figure: Figure) -> dict[str, Axes]:
    """By the first line of their titles; of equal ones with a number behind it."""
    found: dict[str, Axes] = {}
    for axes in figure.axes:
        if axes.axison:
            name = axes.get_title(loc="left").partition("\n")[0]
            found[f"{name} #{len(found)}" if name in found else name] = axes
    return found


def test_files_hold_the_numbers_of_the_figures(builder: SweepBuilder, tmp_path: Path) -> None:
    config = complete(builder)
    made = tables(builder)
    for earlier in ("reliability-0123456789abcdef.csv", "co-occurrence-9.png", "co-occurrence-mine.png"):
        (tmp_path / "figures").mkdir(exist_ok=True)
        (tmp_path / "figures" / earlier).write_text("of before, and not ours")
    write_figures(made, tmp_path / "figures")
    drawn = {f"precision-recall-{config.trial_id}", f"reliability-{config.trial_id}", "co-occurrence-1"}
    found = {path.name for path in (tmp_path / "figures").iterdir()}
    expected = {f"{name}.{ending}" for name in drawn for ending in ("png", "svg", "csv")}
    assert {name for name in found if not name.startswith(("table", "roc"))} == {
        *expected,
        "co-occurrence-mine.png",
    }
    _, test = only(made)
    stored = pd.read_csv(
        tmp_path / "figures" / f"precision-recall-{config.trial_id}.csv", dtype={"label": str}
    )
    stored["unresolved"] = stored["unresolved"].astype(object).fillna("")
    pd.testing.assert_frame_equal(stored, precision_recall_frame(test), check_dtype=False)
    stored = pd.read_csv(tmp_path / "figures" / "co-occurrence-1.csv", dtype={"label": str, "other": str})
    assert len(stored) == 3 * 9
    of_test = stored[stored["split"] == "test"].set_index(["label", "other"])
    sets = test.targets == 1
    assert of_test.loc[("8", "3"), "images"] == np.sum(sets[:, 0] & sets[:, 1])
    assert of_test.loc[("8", "3"), "of_label"] == pytest.approx(np.mean(sets[sets[:, 0], 1]))
    assert list(stored[stored["split"] == "training"]["images"]) == np.ravel(PAIRS).tolist()


def test_a_curve_has_the_points_at_which_its_label_is_decided_for(builder: SweepBuilder) -> None:
    """At 0.5 and at the threshold of validation, on the curve; of a rare label the latter is marked."""
    complete(builder, rarest=0.04)
    cell, test = only(tables(builder))
    frame = precision_recall_frame(test)
    figure = precision_recall_figure(cell, test, frame)
    assert list(panels(figure)) == ["3", "8‡", "1"], "the critical label first"
    for label, place in (("3", 1), ("8‡", 0)):
        axes = panels(figure)[label]
        points = [line for line in axes.lines if line.get_marker() in ("o", "D")]
        assert [line.get_marker() for line in points] == ["o", "D"]
        assert test.tuned is not None
        thresholds = (0.0, list(test.tuned.values.values())[place])
        has = test.targets[:, place]
        for line, threshold in zip(points, thresholds, strict=True):
            says = test.ensemble[:, place] >= threshold
            assert line.get_xdata()[0] == pytest.approx(100 * recall_score(has, says))
            assert line.get_ydata()[0] == pytest.approx(100 * precision_score(has, says))
        assert (points[1].get_markerfacecolor() == "white") == ("‡" in label)
    (legend,) = figure.legends
    assert "‡ threshold not resolved" in [text.get_text() for text in legend.get_texts()]
    (unresolved,) = frame[frame["unresolved"] != ""].to_dict("records")
    assert unresolved["label"] == "8"
    assert "expected at least 20" in unresolved["unresolved"]


def test_every_label_has_a_reliability_diagram(builder: SweepBuilder) -> None:
    """Critical ones first, as their precision and recall."""
    complete(builder)
    (picture,) = [one for one in pictures(tables(builder)) if one.name.startswith("reliability")]
    assert picture.numbers is not None
    assert set(picture.numbers["of"]) == {"8", "3", "1"}
    assert len([axes for axes in picture.figure.axes if axes.axison]) == 3


def test_results_of_before_do_not_tell_training(builder: SweepBuilder) -> None:
    complete(builder, told=False)
    (block,) = co_occurrences(tables(builder).cells)
    assert list(block.splits) == ["validation", "test"]
    complete(builder, MultiLabel(source=SOURCE, classes=(8, 3, 1), critical=(8,)))
    _, other = co_occurrences(tables(builder).cells)
    assert list(other.splits) == ["training", "validation", "test"]


def test_every_word_is_on_its_canvas_however_many_labels_there_are(builder: SweepBuilder) -> None:
    names = tuple(f"{LONG * 3}{number}" for number in range(MOST_PANELS + 1))
    source = Manifest(file="scans/labels.csv", size=8)
    complete(builder, MultiLabel(source=source, classes=names, critical=names[-1:]))
    complete(builder)
    made = tables(builder)
    figures = [co_occurrence_figure(block) for block in co_occurrences(made.cells)]
    for cell in made.cells:
        assert cell.test is not None
        figures.append(precision_recall_figure(cell, cell.test, precision_recall_frame(cell.test)))
        assert len(panels(figures[-1])) == min(len(cell.data.labels), MOST_PANELS)
    for figure in figures:
        assert cut_texts(figure) == []
        assert overlapping_texts(figure) == []


def test_the_same_figure_gives_the_same_svg(builder: SweepBuilder) -> None:
    complete(builder)
    cell, test = only(tables(builder))
    first, again = (svg(precision_recall_figure(cell, test, precision_recall_frame(test))) for _ in range(2))
    assert first == again
    assert first.startswith(b"<?xml")
