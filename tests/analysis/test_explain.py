"""A number of a table leads to its trial and files, and these give the number again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from analysis.explain import chosen_cells, explanation
from analysis.tables import Tables, make_tables
from search_spaces.errors import InputError
from search_spaces.labels import BlockLabels
from tests.analysis.stored_sweep import SweepBuilder


def told(made: Tables, golden: SweepBuilder, row: str, block: str | None = None) -> list[str]:
    labels = BlockLabels(config.data for config in golden.trials)
    (cell,) = chosen_cells(made.cells, block or made.cells[0].block, row)
    return list(explanation(cell, made.columns[cell.block], made.statistics, labels))


def number(lines: list[str], name: str) -> float:
    (value,) = [m[1] for line in lines if (m := re.match(rf" *{re.escape(name)} = (\S+)", line))]
    return float(value)


@pytest.mark.parametrize("row", ["BCE", "S-LM", "S-LM + ALM"])
def test_the_named_files_give_the_printed_numbers(golden: SweepBuilder, row: str) -> None:
    """By a few lines of scikit-learn on the stored scores, and nothing of ours."""
    made = make_tables(golden.store, golden.manifest())
    lines = told(made, golden, row)
    files = [m[1] for line in lines if (m := re.search(r"seed \d+: (\S+) \(SHA-256", line))]
    assert len(files) == 4
    tables = []
    for file in files:
        table = pq.read_table(Path(golden.store.storage.root) / file).to_pandas()
        tables.append(table[table["split"] == "test"].set_index("example_id").sort_index())
    targets = tables[0]["target"].to_numpy()
    scores = np.mean([table["score"].to_numpy(np.float64) for table in tables], axis=0)
    assert roc_auc_score(targets, scores) == pytest.approx(number(lines, "auroc"), abs=1e-12)
    fpr, tpr, _ = roc_curve(targets, scores, drop_intermediate=False)
    assert fpr[tpr >= 0.9].min() == pytest.approx(number(lines, "fpr_at_tpr_90"), abs=1e-12)
    record = made.frame.set_index("row").loc[row]
    record = record.iloc[0] if record.ndim > 1 else record
    assert number(lines, "auroc") == record["auc"]


def test_it_tells_the_rule_the_order_the_exclusions_and_the_machine(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    lines = told(made, golden, "S-LM")
    assert (
        "rule: highest validation AUROC of the scores averaged over replicates (ensemble-val-auroc)" in lines
    )
    first, second = [line for line in lines if re.match(r" +\d+\. ", line)]
    assert first.endswith("chosen")
    values = [float(line.split()[2]) for line in (first, second)]
    assert values[0] >= values[1]
    assert any(line.startswith("AUROC corrected for the choice among 2 candidates: 0.") for line in lines)
    assert any(re.search(r"data [0-9a-f]{12}, commit c{40}, on cpu", line) for line in lines)
    partial = told(made, golden, "BCE + ALM")
    assert "replicates: 2 of 4" in partial
    assert any("diverged: train loss is nan in epoch 3" in line for line in partial)
    (nothing,) = [line for line in told(made, golden, "CB-BCE") if line.startswith("no trial can be chosen")]
    assert "4 pending" in nothing


def test_it_tells_the_mean_over_replicates_as_the_table_does(golden: SweepBuilder) -> None:
    """Of four replicates the values: no interval of a mean over so few can be made."""
    made = make_tables(golden.store, golden.manifest())
    lines = told(made, golden, "S-LM")
    (cell,) = chosen_cells(made.cells, made.cells[0].block, "S-LM")
    assert cell.test is not None
    each = ", ".join(map(repr, cell.test.steering.tolist()))
    assert f"   of each: {each}; fewer than 6 allow no interval of their mean" in lines
    record = made.frame.set_index("trial_id").loc[cell.chosen_id]
    assert record["auc_each"] == each.replace(", ", "; ")
    values = [f"{float(value):.3f}" for value in record["auc_each"].split("; ")]
    assert f"({', '.join(values)})" in made.markdown


def test_an_unknown_block_or_row_lists_the_known_ones(golden: SweepBuilder) -> None:
    cells = make_tables(golden.store, golden.manifest()).cells
    with pytest.raises(InputError, match=r"unknown row 'BCE2'.*S-LM"):
        chosen_cells(cells, None, "BCE2")
    with pytest.raises(InputError, match=r"unknown block 'x'.*cifar10 1:100"):
        chosen_cells(cells, "x", None)
    assert len(chosen_cells(cells, None, None)) == len(cells)
