"""Calibration fitted on validation, judged on test: against scikit-learn, by hand, and as it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from analysis.pictures import write_figures
from analysis.render.reliability import reliability_figure
from analysis.statistics.calibration import Calibrated, offset_alone, platt, reliability
from analysis.tables import Tables, make_tables, write_tables
from search_spaces.config import Bce, CrossEntropy, Ldam, LossConfig
from tests.analysis.stored_sweep import LONG_TAIL, SweepBuilder, noise, trial
from tests.figure_texts import cut_texts
from trainer.store.outputs import outputs_table

SEEDS = (1, 2)
SIZES = {"val": (40, 120), "test": (60, 180)}


def drawn(positives: int, negatives: int, apart: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = np.repeat([True, False], [positives, negatives])
    return positive, generator.normal(size=len(positive)) * 3 + apart * positive


def binary_table(seed: int, *, turned: bool = False) -> pa.Table:
    """Scores four times too sure and far too low; with `turned` test scores of the other sign."""
    parts = []
    for split, (positives, negatives) in SIZES.items():
        targets = np.repeat(np.array([1, 0], np.int8), [positives, negatives])
        scores = np.array([noise(f"{seed}/{split}/{i}") for i in range(len(targets))])
        scores = 4 * (scores + 1.5 * targets) - 6
        if turned and split == "test":
            scores = -scores
        ids = [str(1000 + i) for i in range(len(targets))]
        parts.append(outputs_table(split, ids, targets, scores.astype(np.float32)))
    return pa.concat_tables(parts)


def made(builder: SweepBuilder, loss: LossConfig | None = None, *, turned: bool = False) -> Tables:
    config = builder.add(trial(loss or Bce(), seeds=SEEDS))
    for seed in SEEDS:
        builder.replicate(config, seed, binary_table(seed, turned=turned))
    return make_tables(builder.store, builder.manifest(), draws=0)


@pytest.mark.parametrize(("positives", "negatives", "apart"), [(30, 100, 2.0), (25, 25, 0.1), (20, 400, 9.0)])
def test_platt_scaling_is_the_logistic_regression_of_platts_targets(
    positives: int, negatives: int, apart: float
) -> None:
    """Each example stands twice, as positive and as negative, weighted by its target and the rest."""
    positive, scores = drawn(positives, negatives, apart)
    targets = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    twice = np.concatenate([scores, scores])[:, None]
    labels = np.repeat([1, 0], len(scores))
    weights = np.concatenate([targets, 1 - targets])
    expected = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000).fit(
        twice, labels, sample_weight=weights
    )
    slope, offset = platt(positive, scores)
    assert slope == pytest.approx(expected.coef_[0, 0], rel=1e-4)
    assert offset == pytest.approx(expected.intercept_[0], rel=1e-4, abs=1e-4)


def test_a_fit_is_finite_where_the_sides_do_not_overlap_and_where_all_scores_are_one() -> None:
    positive = np.repeat([True, False], 20)
    slope, offset = platt(positive, np.where(positive, 1.0, -1.0))
    assert slope == pytest.approx(np.log(21), rel=1e-6), "both sides reach Platt's targets, 21/22 and 1/22"
    assert offset == pytest.approx(0, abs=1e-9)
    slope, offset = platt(np.repeat([True, False], [10, 30]), np.full(40, 7.0))
    assert (slope, 1 / (1 + np.exp(-offset))) == (0.0, pytest.approx((10 * 11 / 12 + 30 / 32) / 40))
    assert np.isnan(platt(np.ones(3, bool), np.arange(3.0))).all()
    assert np.isnan(offset_alone(np.zeros(3, bool), np.arange(3.0)))


def test_under_the_offset_the_mean_probability_is_the_share_of_positives() -> None:
    positive, scores = drawn(30, 100, 2.0)
    chances = 1 / (1 + np.exp(-(scores + offset_alone(positive, scores))))
    assert chances.mean() == pytest.approx(positive.mean(), abs=1e-9)


def test_bins_hold_all_examples_once_and_equal_ones_together() -> None:
    generator = np.random.default_rng(1)
    logits = np.round(generator.normal(size=300), 1)
    positive = generator.random(300) < 0.3
    bins = reliability(positive, logits)
    assert 10 <= len(bins) <= 15
    assert sum(part.examples for part in bins) == 300
    chances, start = np.sort(1 / (1 + np.exp(-logits))), 0
    for part in bins:
        inside = chances[start : start + part.examples]
        assert part.mean_probability == pytest.approx(inside.mean())
        start += part.examples
        assert start == 300 or chances[start] > inside[-1], "no two of one probability are parted"
        low, high = inside[0] - 1e-12, inside[-1] + 1e-12
        members = (1 / (1 + np.exp(-logits)) >= low) & (1 / (1 + np.exp(-logits)) <= high)
        assert part.positives == positive[members].sum()
        assert part.interval.low <= part.observed <= part.interval.high
    assert np.isnan(reliability(positive, logits, grouped=True)[0].interval.low)
    assert len(reliability(positive, np.zeros(300))) == 1


def test_brier_score_and_calibration_error_of_test_before_and_after(builder: SweepBuilder) -> None:
    tables = made(builder)
    (cell,) = tables.cells
    assert cell.test is not None
    scores = np.mean([binary_table(seed).to_pandas().query("split == 'test'")["score"] for seed in SEEDS], 0)
    targets = np.repeat([1, 0], SIZES["test"])
    by_method = {one.method: one for one in tables.calibrated[cell.chosen_id]}
    for one in by_method.values():
        chances = 1 / (1 + np.exp(-(one.slope * scores + one.offset)))
        assert one.brier == pytest.approx(brier_score_loss(targets, chances), abs=1e-6)
    assert by_method["none"].calibration_error == pytest.approx(cell.test.metrics["calibration_error"])
    for better, worse in (("platt", "offset"), ("offset", "none")):
        assert by_method[better].brier < by_method[worse].brier
        assert by_method[better].calibration_error < by_method[worse].calibration_error


def test_what_is_fitted_never_sees_test_scores(builder: SweepBuilder, tmp_path: Path) -> None:
    plain = made(builder)
    turned = made(SweepBuilder(tmp_path / "turned"), turned=True)
    fits = []
    for tables in (plain, turned):
        (calibrated,) = tables.calibrated.values()
        fits.append([(one.slope, one.offset) for one in calibrated])
    assert fits[0] == fits[1]


def test_a_score_that_is_no_logit_has_platt_scaling_alone(builder: SweepBuilder) -> None:
    (calibrated,) = made(builder, Ldam()).calibrated.values()
    assert [one.method for one in calibrated] == ["platt"]


def test_each_critical_class_is_calibrated_by_its_log_odds(builder: SweepBuilder, tmp_path: Path) -> None:
    config = builder.add(trial(CrossEntropy(), data=LONG_TAIL, seeds=SEEDS))
    for seed in SEEDS:
        parts = []
        for split in SIZES:
            targets = np.repeat(np.arange(3, dtype=np.int16), [80, 30, 30])
            outputs = np.array([[noise(f"{seed}/{split}/{i}/{c}") for c in range(3)] for i in range(140)])
            outputs[np.arange(140), targets] += 1
            ids = [str(1000 + i) for i in range(140)]
            parts.append(outputs_table(split, ids, targets, outputs.astype(np.float32)))
        builder.replicate(config, seed, pa.concat_tables(parts))
    tables = make_tables(builder.store, builder.manifest(), draws=0)
    (cell,) = tables.cells
    assert cell.test is not None
    softmax = np.exp(cell.test.ensemble) / np.exp(cell.test.ensemble).sum(axis=1, keepdims=True)
    as_it_is = {one.column: one for one in tables.calibrated[cell.chosen_id] if one.method == "none"}
    for place, name in ((1, "8"), (2, "9")):
        assert as_it_is[name].brier == pytest.approx(
            np.mean((softmax[:, place] - (cell.test.targets == place)) ** 2)
        )
    write_figures(tables, tmp_path)
    assert (tmp_path / f"reliability-{cell.chosen_id}.svg").exists()


def test_the_files_hold_what_is_drawn(builder: SweepBuilder, tmp_path: Path) -> None:
    tables = made(builder)
    (trial_id,) = tables.calibrated
    write_tables(builder.store, builder.manifest(), tmp_path)
    write_figures(tables, tmp_path)
    frame = pd.read_csv(tmp_path / f"reliability-{trial_id}.csv")
    figure = reliability_figure({"positive": tables.calibrated[trial_id]}, title="block\nrow")
    lines = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    assert len(lines) == 3
    for line, method in zip(lines, ("none", "offset", "platt"), strict=True):
        told = frame[frame["calibration"] == method]
        assert np.asarray(line.get_xdata()) == pytest.approx(100 * told["mean_probability"])
        assert np.asarray(line.get_ydata()) == pytest.approx(100 * told["observed"])
    assert len({line.get_marker() for line in lines}) == 3, "colours are not all that tells them apart"
    text = (tmp_path / "calibration.md").read_text()
    assert "Brier as it is" in text
    stale = tmp_path / f"reliability-{'0' * 16}.svg"
    stale.write_bytes(b"of what an earlier table chose")
    write_figures(tables, tmp_path)
    assert not stale.exists()


def test_no_text_of_the_diagram_is_cut(wide: Tables) -> None:
    for cell in wide.cells:
        calibrated = wide.calibrated.get(cell.chosen_id, ())
        classes: dict[str, list[Calibrated]] = {}
        for one in calibrated:
            classes.setdefault(one.column, []).append(one)
        if classes:
            figure = reliability_figure(classes, title=f"{cell.block}\n{cell.row}")
            assert not cut_texts(figure)
