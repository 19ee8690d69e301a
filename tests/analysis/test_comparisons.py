"""With against without the constraint, a row per pair of cells."""

from pathlib import Path

import pytest

from analysis.tables import make_tables, write_tables
from search_spaces.config import Bce, ConstraintConfig
from tests.analysis.stored_sweep import ALM, SweepBuilder, cell, trial


def test_comparisons_pair_the_row_with_its_constraint(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    assert list(made.comparisons["row"]) == ["BCE + ALM", "S-LM + ALM", "BCE + ALM"]
    assert list(made.comparisons["pairs"]) == [2, 4, 4]
    first = made.comparisons.iloc[1]
    expected = cell(made, "S-LM + ALM")["auc_mean"] - cell(made, "S-LM")["auc_mean"]
    assert first["mean_difference"] == pytest.approx(expected)


def test_comparisons_of_unfinished_cells_are_marked(golden: SweepBuilder, tmp_path: Path) -> None:
    made = write_tables(golden.store, golden.manifest(), tmp_path)
    assert list(made.comparisons["complete"]) == [False, True, True]
    few = "2 pairs are too few for an interval or a test (at least 6)"
    remark = made.comparisons["remark"].iloc[0]
    assert remark.startswith(f"{few}; incomplete: BCE + ALM: 2/4 replicates: 1 diverged")
    assert not made.comparisons["remark"].iloc[1:].str.contains("incomplete").any()
    text = (tmp_path / "comparisons.md").read_text()
    assert [line.split("|")[1].strip() for line in text.splitlines() if "ALM" in line] == [
        "BCE + ALM †",
        "S-LM + ALM",
        "BCE + ALM",
    ]


def test_a_comparison_with_pruned_candidates_is_marked(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    builder.complete(trial(Bce(), ALM), "b", 1.0, 1.5)
    other = builder.add(trial(Bce(), ConstraintConfig(penalty=1e-5, margin=1.0)))
    builder.replicate(other, 1, None, state="pruned", reason="asha")
    (record,) = make_tables(builder.store, builder.manifest()).comparisons.to_dict("records")
    assert not record["complete"]
    assert record["remark"].endswith("incomplete: BCE + ALM: 1 of 2 candidates pruned")
