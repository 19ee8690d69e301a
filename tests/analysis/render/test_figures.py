import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import auc

from analysis.pictures import write_figures
from analysis.render.figures import table_figure
from analysis.render.images import png
from analysis.render.roc import Curve, RocPicture, roc_picture
from analysis.render.roc_figure import roc_figure
from analysis.tables import Tables, make_tables, write_whole
from search_spaces.config import DEFAULT_TARGETS, Bce, Targets
from tests.analysis.stored_sweep import CIFAR, LONG_TAIL, SweepBuilder, trial
from tests.figure_texts import cut_texts, overlapping_texts
from trainer.metrics import binary as metrics
from trainer.store.outputs import outputs_table

SEEDS = (1, 2, 3, 4)
GENERATOR = np.random.default_rng(1)
TARGETS = np.repeat(np.array([1, 0], np.int8), [40, 200])
SCORES = (GENERATOR.normal(size=(5, 240)) + 1.5 * TARGETS).astype(np.float32)
PICTURE = roc_picture(CIFAR, DEFAULT_TARGETS, TARGETS, SCORES)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def scores_of_many(seed: int) -> pa.Table:
    """Of 200 positives and 400 negatives on test."""
    generator, tables = np.random.default_rng(seed), []
    for split, size in (("val", 20), ("test", 200)):
        targets = np.repeat(np.array([1, 0], np.int8), [size, 2 * size])
        scores = generator.normal(size=3 * size) + 1.5 * targets
        ids = [str(1000 + i) for i in range(3 * size)]
        tables.append(outputs_table(split, ids, targets, scores.astype(np.float32)))
    return pa.concat_tables(tables)


def test_roc_figure_shows_replicates_ensemble_and_operating_points() -> None:
    axes = roc_figure(PICTURE, title="digits 1:10 $5_a").axes[0]
    texts = [t.get_text() for t in axes.get_legend().get_texts()]
    ensemble = SCORES.mean(axis=0, dtype=np.float64)
    assert texts[0] == "replicates (5)"
    assert texts[1] == f"ensemble, AUC {metrics.auroc(TARGETS, ensemble):.4f}"
    points = [line for line in axes.lines if line.get_marker() in ("o", "s", "D")]
    for line, tpr in zip(points, (0.98, 0.95, 0.90), strict=True):
        assert line.get_xdata()[0] == pytest.approx(100 * metrics.fpr_at_tpr(TARGETS, ensemble, tpr))
        assert line.get_ydata()[0] >= 100 * tpr
    assert axes.get_xlabel() == "False positive rate (%)"
    assert axes.get_ylabel() == "True positive rate (%)"


def test_every_rate_is_marked_and_several_columns_are_one_curve_each() -> None:
    rates = Targets(tpr=(0.995, 0.98, 0.97, 0.96, 0.95, 0.9, 0.8, 0.7))
    (legend,) = roc_figure(roc_picture(CIFAR, rates, TARGETS, SCORES), title="many").legends
    texts = [t.get_text() for t in legend.get_texts()]
    assert [t.partition(":")[0] for t in texts[2:]] == [f"TPR ≥ {100 * r:g} %" for r in rates.tpr]
    targets = np.repeat(np.array([0, 1, 2], np.int16), [30, 10, 20])
    outputs = (GENERATOR.normal(size=(3, 60, 3)) + np.eye(3)[targets]).astype(np.float32)
    axes = roc_figure(roc_picture(LONG_TAIL, DEFAULT_TARGETS, targets, outputs), title="several").axes[0]
    texts = [t.get_text() for t in axes.get_legend().get_texts()]
    assert [t.partition(",")[0] for t in texts] == ["8", "9"]
    assert len({line.get_color() for line in axes.lines}) == 3, "the diagonal and two curves"


def test_an_undefined_curve_says_why() -> None:
    picture = roc_picture(CIFAR, DEFAULT_TARGETS, np.zeros(10, np.int8), SCORES[:, :10])
    figure = roc_figure(picture, title="no positives")
    assert "undefined" in figure.axes[0].texts[0].get_text()
    assert png(figure).startswith(SIGNATURE)


def test_the_same_figure_gives_the_same_bytes_also_from_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: png(roc_figure(PICTURE, title="x"), dpi=50), range(4)))
    assert len(set(pictures)) == 1
    assert "matplotlib.pyplot" not in sys.modules


def test_table_figure_draws_each_cell_with_a_result(golden: SweepBuilder) -> None:
    tables = make_tables(golden.store, golden.manifest())
    frame = tables.frame
    figure = table_figure(frame, tables.columns)
    panels = [a for a in figure.axes if a.get_title(loc="left")]
    titles = [a.get_title(loc="left").replace("\n", " ") for a in panels]
    assert titles == list(frame["block"].unique())
    markers = [line for a in panels for line in a.lines if line.get_marker() == "o"]
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in markers])
    # 20 test positives resolve no rate, so the picture shows what steers.
    assert sorted(drawn[np.isfinite(drawn)]) == pytest.approx(sorted(frame["auc"].dropna()))
    assert png(figure).startswith(SIGNATURE)
    bars = [line for a in panels for line in a.lines if line.get_marker() == "|"]
    ends = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in bars])
    columns = frame[["auc_low", "auc_high"]].dropna()
    assert sorted(ends) == pytest.approx(sorted(columns.to_numpy().ravel()))
    hollow = [line for line in markers if line.get_markerfacecolor() == "white"]
    assert len(hollow) < int(np.isfinite(drawn).sum())
    frame["candidates_pruned"] = 1
    again = [
        line for a in table_figure(frame, tables.columns).axes for line in a.lines if line.get_marker() == "o"
    ]
    assert {line.get_markerfacecolor() for line in again if np.isfinite(line.get_xdata()).any()} == {"white"}


def test_write_figures_writes_the_table_and_figures_per_cell(golden: SweepBuilder, tmp_path: Path) -> None:
    tables = make_tables(golden.store, golden.manifest(), draws=200)
    for earlier in ("roc-0123456789abcdef.png", "roc-mine.png"):
        write_whole(tmp_path / "figures" / earlier, b"of a trial that was chosen before, and not ours")
    files = write_figures(tables, tmp_path / "figures")
    (tmp_path / "figures" / "roc-mine.png").unlink()
    expected = {"table", "effect"}
    for trial_id in filter(None, tables.frame["trial_id"]):
        expected |= {f"roc-{trial_id}", f"reliability-{trial_id}"}
    expected |= {f"landscape-{c.chosen_id}" for c in tables.cells if c.row == "S-LM + ALM"}
    assert {f.stem for f in files} == expected
    assert set(files) == set((tmp_path / "figures").iterdir())
    for stem in expected:
        assert (tmp_path / "figures" / f"{stem}.png").read_bytes().startswith(SIGNATURE)
        assert ElementTree.parse(tmp_path / "figures" / f"{stem}.svg").getroot().tag.endswith("svg")


def test_figures_of_one_store_are_the_same_bytes(golden: SweepBuilder, tmp_path: Path) -> None:
    contents = []
    for folder in ("first", "second"):
        made = make_tables(golden.store, golden.manifest(), draws=200)
        files = write_figures(made, tmp_path / folder, log_fpr=True)
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert {Path(name).suffix for name in contents[0]} == {".png", ".svg", ".csv"}


def test_a_band_is_the_interval_of_the_tables_at_their_rates(builder: SweepBuilder, tmp_path: Path) -> None:
    """Of 200 positives: 98 % and less are resolved, 99 % is not."""
    rates = Targets(tpr=(0.99, 0.98, 0.95, 0.9))
    config = builder.add(trial(Bce()))
    for seed in SEEDS:
        builder.replicate(config, seed, scores_of_many(seed))
    made = make_tables(builder.store, builder.manifest(), shown=rates)
    write_figures(made, tmp_path)
    numbers = pd.read_csv(tmp_path / f"roc-{config.trial_id}.csv")
    band = numbers[numbers["curve"] == "band"].set_index("tpr")
    assert band.index.max() == 0.98
    (record,) = made.frame.to_dict("records")
    for rate, name in ((0.98, "fpr_at_tpr_98"), (0.95, "fpr_at_tpr_95"), (0.9, "fpr_at_tpr_90")):
        told = band.loc[rate, ["fpr", "fpr_low", "fpr_high"]].tolist()
        assert told == pytest.approx([record[name], record[f"{name}_low"], record[f"{name}_high"]], abs=1e-6)
    ensemble = numbers[numbers["curve"] == "ensemble"]
    assert auc(ensemble["fpr"], ensemble["tpr"]) == pytest.approx(record["auc"])
    assert set(numbers["curve"]) == {"ensemble", "band", *(f"seed {seed}" for seed in SEEDS)}


def test_on_a_logarithmic_scale_nothing_is_left_of_the_axes() -> None:
    axes = roc_figure(PICTURE, title="x", log_fpr=True).axes[0]
    least, most = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert 0 < least < 0.5  # one of 200 negatives is 0.5 %
    for line in axes.lines:
        across = np.asarray(line.get_xdata(), dtype=float)
        assert ((across >= least) & (across <= most)).all()


def test_every_text_of_every_figure_lies_inside_its_canvas(golden: SweepBuilder, wide: Tables) -> None:
    """Of the table's picture whatever the names, rows and blocks are, and none covers another."""
    for tables in (make_tables(golden.store, golden.manifest()), wide):
        figures = [table_figure(tables.frame, tables.columns)]
        for block in tables.frame["block"].unique():  # a sweep of one block has one panel
            rows = tables.frame[tables.frame["block"] == block]
            figures.append(table_figure(rows, tables.columns))
        for figure in figures:
            assert cut_texts(figure) == []
            assert overlapping_texts(figure) == []
    by_block = {cell.block: cell for cell in wide.cells if cell.test is not None}
    for cell in by_block.values():
        assert cell.test is not None
        picture = roc_picture(cell.data, wide.rates, cell.test.targets, cell.test.outputs)
        figure = roc_figure(picture, title=f"{cell.block}\n{cell.row}")
        assert cut_texts(figure) == []
        assert overlapping_texts(figure) == []


@pytest.mark.parametrize("title", ["short", "肺正常 и ещё " * 20, "x" * 300, "$a_b$ {c} " * 40])
def test_a_roc_figure_of_many_long_curves_keeps_all_its_words(title: str) -> None:
    points = metrics.roc_points(TARGETS, SCORES[0])
    curves = []
    for number in range(12):
        label = f"{number} basal-cell_carcinoma (late) of a site with a long name, AUC 0.9123"
        curves.append(Curve(points, "#1f5fa8", label, is_ensemble=True))
    for picture in (
        RocPicture(tuple(curves)),
        RocPicture(undefined="ROC curve undefined: no positives " * 9),
    ):
        figure = roc_figure(picture, title=title)
        assert cut_texts(figure) == []
        assert overlapping_texts(figure) == []


def test_a_text_that_sticks_out_is_seen() -> None:
    """What the other tests look with does see."""
    figure = Figure(figsize=(2, 2))
    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, "a text that is wider than two inches", ha="center")
    figure.text(0.5, 0.5, "another", ha="center")
    assert len(cut_texts(figure)) == len(overlapping_texts(figure)) == 1
