"""With against without the constraint, a row per pair of cells."""

from pathlib import Path

import pytest

from analysis.tables import make_tables, write_tables
from search_spaces.config import Bce, ConstraintConfig
from tests.analysis.stored_sweep import ALM, SweepBuilder, cell, trial


def test_comparisons_pair_the_row_with_its_constraint(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    of_area = made.comparisons[made.comparisons["metric"] == "auc"]
    assert list(of_area["row"]) == ["BCE + ALM", "S-LM + ALM", "BCE + ALM"]
    assert list(of_area["seeds"]) == [2, 4, 4]
    assert list(made.comparisons["metric"])[:4] == [
        "auc",
        "fpr_at_tpr_98",
        "fpr_at_tpr_95",
        "fpr_at_tpr_90",
    ]
    first = of_area.iloc[1]
    expected = cell(made, "S-LM + ALM")["auc_mean"] - cell(made, "S-LM")["auc_mean"]
    assert first["mean_difference"] == pytest.approx(expected)


def test_comparisons_of_unfinished_cells_are_marked(golden: SweepBuilder, tmp_path: Path) -> None:
    made = write_tables(golden.store, golden.manifest(), tmp_path)
    of_area = made.comparisons[made.comparisons["metric"] == "auc"]
    assert list(of_area["complete"]) == [False, True, True]
    assert list(of_area["p_holm"].isna()) == [True, False, False], "what is incomplete takes no part"
    few = "2 common seeds, too few for an interval of their mean (at least 6)"
    remark = of_area["remark"].iloc[0]
    assert remark.startswith(f"{few}; incomplete: BCE + ALM: 2/4 replicates: 1 diverged")
    assert not of_area["remark"].iloc[1:].str.contains("incomplete").any()
    text = (tmp_path / "comparisons.md").read_text()
    assert [
        line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|") and "ALM" in line
    ] == [
        "BCE + ALM †",
        "S-LM + ALM",
        "BCE + ALM",
    ]


def test_a_comparison_with_pruned_candidates_is_marked(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    builder.complete(trial(Bce(), ALM), "b", 1.0, 1.5)
    other = builder.add(trial(Bce(), ConstraintConfig(penalty=1e-5, margin=1.0)))
    builder.replicate(other, 1, None, state="pruned", reason="asha")
    made = make_tables(builder.store, builder.manifest())
    record = made.comparisons.iloc[0]
    assert not record["complete"]
    assert record["remark"].endswith("incomplete: BCE + ALM: 1 of 2 candidates pruned")
    (effect, *_) = made.statistics.effects
    assert effect.words() == "AUROC: no pair to judge by. Left out: 1 pair incomplete."


def test_the_effect_over_all_pairs_is_told_per_metric(golden: SweepBuilder) -> None:
    """Two complete pairs of the golden sweep; 20 positives resolve no rate."""
    made = make_tables(golden.store, golden.manifest())
    of_area = made.comparisons[(made.comparisons["metric"] == "auc") & made.comparisons["complete"]]
    area, *rates = made.statistics.effects
    assert (area.pairs, area.better) == (2, int((of_area["difference"] > 0).sum()))
    assert area.significant == int(((of_area["p_holm"] <= 0.05) & (of_area["difference"] > 0)).sum())
    assert area.mean == pytest.approx(of_area["difference"].mean())
    assert area.interval.low < area.mean < area.interval.high
    assert area.words() in made.markdown
    assert [effect.pairs for effect in rates] == [0, 0, 0]
    assert rates[0].words() == (
        "FPR at 98 % TPR: no pair to judge by. Left out: 2 pairs not resolved, 1 pair incomplete."
    )


def test_without_draws_there_are_no_intervals_and_only_delongs_test(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest(), draws=0)
    assert made.frame["auc_low"].isna().all()
    assert set(made.comparisons["test"]) <= {"DeLong", ""}
    assert "Intervals: none were made." in made.markdown
