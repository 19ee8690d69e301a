"""Tables as files: their bytes, how they are written, and what making them loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import tables
from analysis.tables import make_tables, write_tables, write_whole
from search_spaces.config import Bce, Ldam
from search_spaces.errors import InputError, StoreError
from tests.analysis.stored_sweep import SweepBuilder, add_golden_trials, permutation, rows_in_files, trial
from trainer.store import SweepManifest

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", ["best.csv", "best.md", "best.tex"])
def test_golden(golden: SweepBuilder, tmp_path: Path, name: str) -> None:
    """With ALMSWEEP_UPDATE_GOLDEN=1 the file is written anew and the test fails, so that it is read."""
    write_tables(golden.store, golden.manifest(), tmp_path / "tables")
    written = (tmp_path / "tables" / name).read_bytes()
    if os.environ.get("ALMSWEEP_UPDATE_GOLDEN"):
        (GOLDEN / name).write_bytes(written)
        pytest.fail(f"wrote {name} anew: read the difference, then run without ALMSWEEP_UPDATE_GOLDEN")
    assert written.decode() == (GOLDEN / name).read_text()


def test_the_order_of_trials_replicates_and_rows_changes_no_byte(
    golden: SweepBuilder, tmp_path: Path
) -> None:
    write_tables(golden.store, golden.manifest(), tmp_path / "first")
    trials = [golden.trials[i] for i in permutation(len(golden.trials), "trials")]
    turned = [t.model_copy(update={"seeds": t.seeds[::-1]}) for t in trials]
    other = SweepBuilder(tmp_path / "other")
    add_golden_trials(other)
    for done in [d for seeds in golden.store.all_replicates().values() for d in seeds.values()]:
        if done.state == "completed":
            order = permutation(rows_in_files(), f"{done.trial_id}/{done.seed}")
            table = golden.store.replicates.read_scores(done).take(order)
            config = next(t for t in turned if t.trial_id == done.trial_id)
            other.replicate(config, done.seed, table)
    write_tables(other.store, SweepManifest("golden", tuple(turned)), tmp_path / "second")
    for name in ("best.csv", "best.md", "best.tex", "comparisons.csv", "comparisons.md"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    write_tables(golden.store, SweepManifest("golden", tuple(turned)), tmp_path / "third")
    first, third = ((tmp_path / n / "provenance.json").read_bytes() for n in ("first", "third"))
    assert first == third


def test_every_row_names_its_trial(golden: SweepBuilder) -> None:
    """By digits that name no other trial of the sweep; in LaTeX as comments, which take no place."""
    made = make_tables(golden.store, golden.manifest())
    chosen = {(cell.block, cell.row): cell.chosen_id for cell in made.cells}
    known = [config.trial_id for config in golden.trials]
    for table in made.document.tables:
        place = table.header.index("Trial")
        for row in table.rows:
            told, expected = row[place].text, chosen[table.title, row[0].text]
            if not expected:
                assert told == "–"
                continue
            assert [trial_id for trial_id in known if trial_id.startswith(told)] == [expected]
            for text in (made.text, made.printed(100), made.markdown):
                assert told in text
            comments = [line for line in made.latex.splitlines() if told in line]
            assert comments
            assert all(line.startswith("%") for line in comments)


def test_nothing_is_written_when_results_contradict_each_other(builder: SweepBuilder, tmp_path: Path) -> None:
    builder.complete(trial(Bce()), "a", 1, 1)
    builder.complete(trial(Ldam()), "b", 1, 1, data_sha256="e" * 64)
    with pytest.raises(StoreError, match="data"):
        write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_an_unknown_rule_is_an_input_error(builder: SweepBuilder) -> None:
    builder.add(trial(Bce()))
    with pytest.raises(InputError, match="known: ensemble-val-auroc"):
        make_tables(builder.store, builder.manifest(), rule="luck")


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.write_whole(tmp_path / "best.md", b"old")

    def refuse(source: str, target: str, **folders: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match=r"best\.md: could not be written: no space"):
        tables.write_whole(tmp_path / "best.md", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["best.md"]
    assert (tmp_path / "best.md").read_bytes() == b"old"


def test_hostile_text_keeps_the_tables_whole(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, SweepManifest("=1|`x`\n# y", tuple(golden.trials)))
    title = made.markdown.splitlines()[0]
    assert title == r"# Best configurations of the sweep =1\|\`x\` # y"
    for line in made.markdown.splitlines():
        if line.startswith("|"):
            unescaped = line.replace(r"\|", "")
            assert unescaped.count("|") in (13, 14)
    assert r"disk \| full: \`rm\` \*now\* &amp; \$50\_%" in made.markdown


def test_tables_need_neither_torch_nor_ray_nor_mlflow(golden: SweepBuilder, tmp_path: Path) -> None:
    golden.store.write_sweep(golden.manifest())
    code = f"""
import sys
import analysis.tables, analysis.pictures
from trainer.store import Store
store = Store({str(golden.folder)!r})
made = analysis.tables.write_tables(store, store.read_sweep("golden"), {str(tmp_path / "out")!r})
analysis.pictures.write_figures(made, {str(tmp_path / "figures")!r})
found = sorted({{"torch", "torchvision", "ray", "mlflow", "optuna"}} & set(sys.modules))
sys.exit(f"imported: {{found}}" if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "best.md").exists()
    assert (tmp_path / "figures" / "table.png").exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match=r"tables/demo/best\.csv: could not be written: "):
        write_whole(tmp_path / "tables" / "demo" / "best.csv", b"")
