import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from analysis.render.figures import png, roc_figure, table_figure, write_figures
from analysis.tables import make_tables
from tests.analysis.stored_sweep import SweepBuilder
from trainer.metrics import binary as metrics

GENERATOR = np.random.default_rng(1)
TARGETS = np.repeat(np.array([1, 0], np.int8), [40, 200])
SCORES = (GENERATOR.normal(size=(5, 240)) + 1.5 * TARGETS).astype(np.float32)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def test_roc_figure_shows_replicates_ensemble_and_operating_points() -> None:
    axes = roc_figure(TARGETS, SCORES, title="digits 1:10 $5_a").axes[0]
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


def test_an_undefined_curve_says_why() -> None:
    figure = roc_figure(np.zeros(10, np.int8), SCORES[:, :10], title="no positives")
    assert "undefined" in figure.axes[0].texts[0].get_text()
    assert png(figure).startswith(SIGNATURE)


def test_the_same_figure_gives_the_same_bytes_also_from_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: png(roc_figure(TARGETS, SCORES, title="x"), dpi=50), range(4)))
    assert len(set(pictures)) == 1
    assert "matplotlib.pyplot" not in sys.modules


def test_table_figure_draws_each_cell_with_a_result(golden: SweepBuilder) -> None:
    frame = make_tables(golden.store, golden.manifest()).frame
    figure = table_figure(frame)
    panels = [a for a in figure.axes if a.get_title(loc="left")]
    assert [a.get_title(loc="left") for a in panels] == list(frame["block"].unique())
    markers = [line for a in panels for line in a.lines if line.get_marker() == "o"]
    drawn = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in markers])
    assert sorted(drawn[np.isfinite(drawn)]) == pytest.approx(sorted(100 * frame["fpr_at_tpr_98"].dropna()))
    assert png(figure).startswith(SIGNATURE)
    bars = [line for a in panels for line in a.lines if line.get_marker() == "|"]
    ends = np.concatenate([np.asarray(line.get_xdata(), dtype=float) for line in bars])
    columns = frame[["fpr_at_tpr_98_low", "fpr_at_tpr_98_high"]].dropna()
    assert sorted(ends) == pytest.approx(sorted(100 * columns.to_numpy().ravel()))
    hollow = [line for line in markers if line.get_markerfacecolor() == "white"]
    assert len(hollow) < int(np.isfinite(drawn).sum())
    frame["candidates_pruned"] = 1
    again = [line for a in table_figure(frame).axes for line in a.lines if line.get_marker() == "o"]
    assert {line.get_markerfacecolor() for line in again if np.isfinite(line.get_xdata()).any()} == {"white"}


def test_write_figures_writes_the_table_and_a_curve_per_cell(golden: SweepBuilder, tmp_path: Path) -> None:
    tables = make_tables(golden.store, golden.manifest())
    files = write_figures(tables, tmp_path / "figures")
    expected = {"table.png", *(f"roc-{i}.png" for i in tables.frame["trial_id"] if i)}
    assert {f.name for f in files} == expected == {f.name for f in (tmp_path / "figures").iterdir()}
