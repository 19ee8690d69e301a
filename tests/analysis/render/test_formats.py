"""Every table of a sweep in every format: the same numbers, and LaTeX that compiles."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from analysis.tables import Tables, make_tables, write_made, written
from search_spaces.config import Bce, ConstraintConfig, MultiLabelBce
from tests.analysis.render.test_latex import compiled, program, sticks_out
from tests.analysis.stored_sweep import CIFAR, SweepBuilder, trial
from tests.analysis.test_tables_of_classes import complete as complete_classes
from tests.analysis.test_tables_of_label_sets import TASK as LABELS
from tests.analysis.test_tables_of_label_sets import scores

__all__ = ["program"]
ENDINGS = (".csv", "-long.csv", ".json", ".md", ".tex")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Tables of the three kinds of task."""
    builder = SweepBuilder(tmp_path_factory.mktemp("formats") / "store")
    for constraint in (None, ConstraintConfig(penalty=1e-6)):
        builder.complete(trial(Bce(), constraint, data=CIFAR), f"binary {constraint}", 1.0, 1.0)
    complete_classes(builder)
    config = builder.add(trial(MultiLabelBce(), data=LABELS))
    for seed in config.seeds:
        builder.replicate(config, seed, scores("labels", seed, 0.9))
    return make_tables(builder.store, builder.manifest("formats"), draws=100)


def test_every_table_is_written_in_every_format(made: Tables, tmp_path: Path) -> None:
    files = {path.name for path in write_made(made, "formats", tmp_path).files}
    names = [table.name for table in written(made, "formats")]
    assert {"best", "comparisons", "operating_points", "calibration", "labels", "classes"} < set(names)
    assert any(name.startswith("confusion-") for name in names)
    assert files == {f"{name}{ending}" for name in names for ending in ENDINGS} | {"provenance.json"}


def test_json_and_both_csv_files_hold_the_same_numbers(made: Tables, tmp_path: Path) -> None:
    write_made(made, "formats", tmp_path)
    for table in written(made, "formats"):
        rows = json.loads((tmp_path / f"{table.name}.json").read_text())
        wide = pd.read_csv(tmp_path / f"{table.name}.csv")
        long = pd.read_csv(tmp_path / f"{table.name}-long.csv", low_memory=False)
        assert len(rows) == len(wide) == len(table.frame)
        assert list(wide) == list(rows[0])
        for name in wide.dropna(axis=1, how="all").select_dtypes("number"):
            expected = [math.nan if row[name] is None else float(row[name]) for row in rows]
            assert wide[name].tolist() == pytest.approx(expected, nan_ok=True)
        keys = [name for name in long if name not in ("column", "value")]
        for column in set(long["column"]) & set(wide.select_dtypes("number")):
            values = long.loc[long["column"] == column, "value"].astype(float).tolist()
            assert values == wide[column].dropna().tolist()
        assert not wide.duplicated(keys).any(), "the keys tell a table's rows apart"
        assert not long["value"].isna().any()


def test_every_table_compiles_and_fits_the_text_of_an_article(
    made: Tables, golden: SweepBuilder, program: str, tmp_path: Path
) -> None:
    tex = []
    for name, tables in (
        ("formats", made),
        ("golden", make_tables(golden.store, golden.manifest(), draws=100)),
    ):
        write_made(tables, name, tmp_path / name)
        tex += [path.read_text() for path in sorted((tmp_path / name).glob("*.tex"))]
    log = compiled(program, "\n\\clearpage\n".join(tex), tmp_path)
    assert sticks_out(log) == []
    assert "multiply defined" not in log
