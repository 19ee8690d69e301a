"""Figures of the constraint over pairs, candidates and epochs; and of which settings decide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from analysis.importance import importance_frame
from analysis.numbers.effect import OVER_ALL, effect_frame, effect_metrics
from analysis.numbers.landscape import landscape_frame
from analysis.pictures import pictures, write_figures
from analysis.render.images import Picture
from analysis.render.landscape import landscape_figure
from analysis.tables import Tables, make_tables
from search_spaces.config import Bce, ConstraintConfig, SymmetricMargin, TrialConfig
from tests.analysis.stored_sweep import SweepBuilder, score_table, trial
from tests.figure_texts import cut_texts, overlapping_texts

SEEDS = (1, 2)
MARGINS = (0.0, 0.1, 0.25, 0.5, 1.0)
PENALTIES = (1e-9, 1e-7, 1e-6, 1e-4, 1e-2)
EPOCHS = 5


def constraint(margin: float, penalty: float) -> ConstraintConfig:
    return ConstraintConfig(penalty=penalty, margin=margin)


def epoch_table(penalty: float, seed: int) -> pa.Table:
    epochs = np.arange(EPOCHS)
    return pa.table(
        {
            "epoch": pa.array(epochs, pa.int32()),
            "train/violation": 0.5 * np.exp(-epochs / 3) * seed,
            "train/multiplier_mean": penalty * epochs,
            "train/multiplier_max": 3 * penalty * epochs * seed,
            "train/penalty": penalty * 2.0 ** np.minimum(epochs, 3),
        }
    )


def add_grid(builder: SweepBuilder) -> None:
    """Three losses, two of them alone too, each with 25 constraints, of which the penalty alone decides.

    One candidate was pruned, one failed, one diverged, one is pending.
    """
    for number, loss in enumerate((Bce(), SymmetricMargin(margin=0.5), SymmetricMargin(margin=4.0))):
        if number < 2:
            builder.complete(trial(loss, seeds=SEEDS), f"alone-{number}", 0.8, 0.9)
        for margin in MARGINS:
            for place, penalty in enumerate(PENALTIES):
                config = builder.add(trial(loss, constraint(margin, penalty), seeds=SEEDS))
                if number == 1 and penalty == 1e-2 and margin < 1:
                    _end_early(builder, config, margin)
                    continue
                for seed in SEEDS:
                    shift = {"val": 0.4 + 0.3 * place, "test": 0.4 + 0.3 * place}
                    scores = score_table("the same noise", seed, shift)
                    epochs = epoch_table(penalty, seed)
                    builder.replicate(config, seed, scores, epochs=epochs)


def _end_early(builder: SweepBuilder, config: TrialConfig, margin: float) -> None:
    if margin == 0:
        builder.replicate(config, 1, None, state="pruned", reason="asha")
    elif margin == 0.1:
        failure = {"error": "OSError", "message": "disk", "seeds": list(SEEDS)}
        builder.store.notes.write_failure(config.trial_id, failure)
    elif margin == 0.25:
        for seed in SEEDS:
            builder.replicate(config, seed, None, state="diverged", reason="loss is nan")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    builder = SweepBuilder(tmp_path_factory.mktemp("grid") / "store")
    add_grid(builder)
    return make_tables(builder.store, builder.manifest("grid"), draws=200)


def named(made: Tables, kind: str) -> Iterator[Picture]:
    return (picture for picture in pictures(made) if picture.name.partition("-")[0] == kind)


def drawn(figure: Figure, marker: str) -> list[tuple[float, float]]:
    """Where a mark stands in the panels, ends of the legend left out."""
    found = []
    for axes in figure.axes:
        for line in axes.lines:
            if line.get_marker() == marker and len(line.get_xdata()) == 1:
                found.append((float(line.get_xdata()[0]), float(line.get_ydata()[0])))
    return found


def test_every_pair_is_drawn_with_its_interval_and_what_is_unresolved_without(golden: SweepBuilder) -> None:
    """20 test positives resolve no rate; one of three pairs is incomplete."""
    made = make_tables(golden.store, golden.manifest(), draws=500)
    (picture,) = named(made, "effect")
    numbers = picture.numbers
    assert numbers is not None
    of_area = numbers[numbers["metric"] == "auc"]
    assert list(of_area["row"]) == ["BCE + ALM", "S-LM + ALM", "BCE + ALM", OVER_ALL]
    assert of_area["low"].notna().all()
    effect = made.statistics.effects[0]
    assert of_area.iloc[-1][["difference", "low", "high"]].tolist() == [effect.mean, *effect.interval]
    rates = numbers[numbers["metric"] != "auc"]
    assert not rates["resolved"].any()
    assert rates[["low", "high", "mean_low", "mean_high"]].isna().all(axis=None)
    areas, *others = picture.figure.axes
    values = [
        line.get_xdata()[0] for line in areas.lines if line.get_marker() == "o" and len(line.get_xdata())
    ]
    assert sorted(values) == pytest.approx(sorted(of_area["difference"]))
    hollow = {line.get_markerfacecolor() for line in areas.lines if line.get_marker() == "o"}
    assert "white" in hollow
    for axes in others:
        marks = {line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1}
        assert marks == {"x"}
        bars = [line for line in axes.lines if line.get_marker() == "|"]
        assert all(np.isnan(line.get_xdata()).all() for line in bars)
    assert cut_texts(picture.figure) == []
    assert overlapping_texts(picture.figure) == []


def test_the_effect_of_long_names_and_many_metrics_stays_inside_its_canvas(wide: Tables) -> None:
    metrics = effect_metrics(wide.columns)
    assert len(metrics) > 4
    frame = effect_frame(wide.comparisons, wide.statistics.effects, metrics)
    (picture,) = named(wide, "effect")
    assert picture.numbers is not None
    assert len(picture.numbers) == len(frame)
    assert cut_texts(picture.figure) == []
    assert overlapping_texts(picture.figure) == []


def test_the_landscape_tells_every_candidate(grid: Tables) -> None:
    found = {picture.title.rpartition(", ")[2]: picture for picture in named(grid, "landscape")}
    assert list(found) == ["BCE + ALM", "S-LM + ALM"]
    frame = found["S-LM + ALM"].numbers
    assert frame is not None
    assert len(frame) == 50
    at = frame.set_index(["loss", "margin", "penalty"])
    states = at.loc["baseline_s_LM_m05"].xs(1e-2, level="penalty")["state"]
    assert states.to_dict() == {0.0: "pruned", 0.1: "failed", 0.25: "diverged", 0.5: "pending", 1.0: "done"}
    (cell,) = (cell for cell in grid.cells if cell.row == "S-LM + ALM")
    assert frame[frame["chosen"]]["trial_id"].tolist() == [cell.chosen_id]
    values = {c.trial_id: c.validation.metrics["auroc"] for c in cell.candidates if c.validation}
    assert frame.dropna(subset="value").set_index("trial_id")["value"].to_dict() == values
    figure = found["S-LM + ALM"].figure
    assert len(drawn(figure, "s")) == len(values)
    marks = {"v": 0, "X": 1, "P": 2, ".": 3}  # pruned, failed, diverged, pending: the place of the margin
    for marker, place in marks.items():
        assert drawn(figure, marker) == [(place, 4)]
    assert len(drawn(figure, "o")) == 1, "the chosen one"
    assert cut_texts(figure) == []
    assert overlapping_texts(figure) == []


def test_of_many_margins_and_penalties_the_axes_are_scales(builder: SweepBuilder) -> None:
    generator = np.random.default_rng(1)
    for number in range(30):
        drawn_constraint = constraint(float(generator.random()), float(10 ** generator.uniform(-9, -2)))
        builder.complete(trial(Bce(), drawn_constraint, seeds=(1,)), str(number), 1.0, 1.0)
    made = make_tables(builder.store, builder.manifest(), draws=0)
    frame = landscape_frame(made.cells[0])
    figure = landscape_figure(frame, made.cells[0].rule.metric, title="random")
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    assert sorted(set(drawn(figure, "o"))) == sorted(zip(frame["margin"], frame["penalty"], strict=True))
    assert cut_texts(figure) == []


def test_violation_multipliers_and_penalty_are_drawn_by_epoch(grid: Tables) -> None:
    found = {picture.title.rpartition(", ")[2]: picture for picture in named(grid, "epochs")}
    assert list(found) == ["BCE + ALM", "S-LM + ALM"], "rows without the constraint have none"
    picture = found["BCE + ALM"]
    assert picture.numbers is not None
    expected = pd.concat([epoch_table(1e-2, seed).to_pandas() for seed in SEEDS])
    assert picture.numbers["violation"].tolist() == expected["train/violation"].tolist()
    assert picture.numbers["penalty"].tolist() == expected["train/penalty"].tolist()
    assert picture.numbers["seed"].tolist() == [1] * EPOCHS + [2] * EPOCHS
    violation = picture.figure.axes[0]
    mean = next(line for line in violation.lines if len(line.get_xdata()) and line.get_linewidth() > 2)
    assert mean.get_ydata() == pytest.approx((0.75 * np.exp(-np.arange(EPOCHS) / 3)).tolist())
    assert cut_texts(picture.figure) == []
    assert overlapping_texts(picture.figure) == []


def test_the_setting_that_decides_is_found(grid: Tables) -> None:
    """The penalty alone decides in that sweep; settings that some trials have count for these."""
    frame = importance_frame(grid.cells)
    assert frame["setting"].iloc[0] == "constraint.penalty"
    shares = frame.set_index("setting")["importance"]
    assert shares["constraint.penalty"] > 3 * shares["constraint.margin"]
    assert shares.sum() == pytest.approx(1)
    trials = frame.set_index("setting")["trials"]
    complete = sum(cell.candidates_complete for cell in grid.cells)
    assert trials["constraint"] == complete == 73
    assert trials["constraint.penalty"] == complete - 2
    assert trials["loss.margin"] < trials["loss.name"] == complete
    (picture,) = named(grid, "importance")
    assert cut_texts(picture.figure) == []
    assert overlapping_texts(picture.figure) == []


def test_of_few_trials_nobody_says_which_setting_decides(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest(), draws=0)
    assert importance_frame(made.cells).empty
    assert not list(named(made, "importance"))


def test_figures_of_what_an_earlier_table_chose_are_gone(golden: SweepBuilder, tmp_path: Path) -> None:
    earlier = ["landscape-0123456789abcdef.csv", "epochs-0123456789abcdef.svg", "importance-1.png"]
    for name in (*earlier, "importance-mine.png"):
        (tmp_path / name).write_text("earlier")
    write_figures(make_tables(golden.store, golden.manifest(), draws=0), tmp_path)
    assert not [name for name in earlier if (tmp_path / name).exists()]
    assert (tmp_path / "importance-mine.png").exists()
