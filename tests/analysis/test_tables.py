import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import tables
from analysis.bootstrap import bootstrap_intervals
from analysis.tables import Tables, make_tables, write_tables, write_whole
from search_spaces.config import (
    DEFAULT_TARGETS,
    FAMILIES,
    AugmentationConfig,
    Bce,
    ConstraintConfig,
    HorizontalFlip,
    Ldam,
    Mbauc,
    ResNet10,
    SymmetricMargin,
    TrialConfig,
)
from search_spaces.errors import InputError, StoreError
from tests.analysis.stored_sweep import (
    CIFAR,
    SweepBuilder,
    add_golden_trials,
    permutation,
    rows_in_files,
    score_table,
    trial,
    with_column,
)
from trainer.store import SweepManifest
from trainer.tasks.base import task_arrays

GOLDEN = Path(__file__).parent / "golden"
ALM = ConstraintConfig(penalty=1e-6, margin=0.25)


def cell(made: Tables, row: str, block: int = 0) -> dict[str, object]:
    frame = made.frame
    rows = frame[(frame["row"] == row) & (frame["block"] == frame["block"].unique()[block])]
    (record,) = rows.to_dict("records")
    return record


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


def test_permuting_test_scores_changes_no_choice(golden: SweepBuilder) -> None:
    before = make_tables(golden.store, golden.manifest())
    for done in [d for seeds in golden.store.all_replicates().values() for d in seeds.values()]:
        if done.state == "completed":
            table = golden.store.replicates.read_scores(done)
            scores, splits = table.column("score").to_pylist(), table.column("split").to_pylist()
            places = [i for i, split in enumerate(splits) if split == "test"]
            for place, source in zip(places, permutation(len(places), done.trial_id), strict=True):
                scores[place] = table.column("score")[places[source]].as_py()
            config = next(t for t in golden.trials if t.trial_id == done.trial_id)
            golden.replicate(config, done.seed, with_column(table, "score", scores))
    after = make_tables(golden.store, golden.manifest())
    assert list(before.frame["trial_id"]) == list(after.frame["trial_id"])
    assert list(before.frame["auc"].dropna()) != list(after.frame["auc"].dropna())


def test_validation_decides_even_against_the_test_scores(builder: SweepBuilder) -> None:
    builder.complete(trial(SymmetricMargin(margin=0.5)), "a", 0.5, 3.0)
    good_on_validation = builder.complete(trial(SymmetricMargin(margin=2.0)), "b", 3.0, 0.5)
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "S-LM")["trial_id"] == good_on_validation.trial_id


def test_every_expected_cell_is_there_in_the_papers_order(builder: SweepBuilder) -> None:
    for constraint in (ALM, None):
        for loss in (Mbauc(), Ldam(), SymmetricMargin(margin=1.0), Bce()):
            builder.add(trial(loss, constraint))
    made = make_tables(builder.store, builder.manifest())
    rows = ["BCE", "S-LM", "LDAM", "MBAUC"]
    assert [r for r in FAMILIES if r in rows] == rows
    assert list(made.frame["row"]) == rows + [f"{r} + ALM" for r in rows]
    assert set(made.frame["n"]) == {"n=0/4"}
    assert made.frame["auc"].isna().all()
    assert made.markdown.count("missing") == 8
    assert "**" not in made.markdown


def test_incomplete_cells_are_marked_and_never_bold(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    partial = cell(made, "BCE + ALM")
    cifar = made.frame[made.frame["block"] == made.frame["block"].iloc[0]]
    assert partial["auc"] == cifar["auc"].max()
    lines = made.markdown.splitlines()
    marked = [line for line in lines if line.startswith("|") and "†" in line]
    assert {line.split("|")[1].strip() for line in marked} == {"BCE + ALM †", "CB-BCE †", "LDAM + ALM †"}
    assert all("**" not in line for line in marked)
    best = cifar.loc[cifar["complete"], "auc"].max()
    assert f"**{best:.4f}**" in made.markdown
    assert partial["n"] == "n=2/4"
    assert "1 diverged (train loss is nan in epoch 3), 1 failed (disk | full" in str(partial["note"])


def test_a_cell_with_an_unfinished_candidate_is_incomplete_but_divergence_is_final(
    builder: SweepBuilder,
) -> None:
    builder.complete(trial(SymmetricMargin(margin=0.5)), "a", 1.0, 1.0)
    other = builder.add(trial(SymmetricMargin(margin=2.0)))
    pending = cell(make_tables(builder.store, builder.manifest()), "S-LM")
    assert (pending["complete"], pending["candidates_complete"], pending["candidates_total"]) == (False, 1, 2)
    assert "4 pending" in str(pending["note"])
    for seed in other.seeds:
        builder.replicate(other, seed, None, state="diverged", reason="loss is nan")
    final = cell(make_tables(builder.store, builder.manifest()), "S-LM")
    assert (final["complete"], final["candidates_complete"], final["note"]) == (True, 1, "")


def test_a_cell_with_pruned_candidates_says_so_and_is_never_bold(builder: SweepBuilder) -> None:
    best = builder.complete(trial(SymmetricMargin(margin=4.0), ALM), "a", 2.0, 2.0)
    for margin in (0.5, 2.0):
        other = builder.add(trial(SymmetricMargin(margin=margin), ALM))
        builder.replicate(other, 1, None, state="pruned", reason="asha of a search across losses")
    builder.complete(trial(Bce()), "b", 0.2, 0.2)
    made = make_tables(builder.store, builder.manifest())
    pruned, whole = cell(made, "S-LM + ALM"), cell(made, "BCE")
    assert (pruned["trial_id"], pruned["candidates_pruned"]) == (best.trial_id, 2)
    assert pruned["note"] == "2 of 3 candidates pruned"
    assert pruned["auc"] > whole["auc"]  # type: ignore[operator]
    assert f"**{whole['auc']:.4f}**" in made.markdown
    (line,) = [line for line in made.markdown.splitlines() if line.startswith("| S-LM + ALM †")]
    assert "**" not in line
    assert pruned["complete"], "nothing is left to train"


@pytest.mark.parametrize(
    ("metric", "rule", "is_told"),
    [
        ("val/auroc", "ensemble-val-auroc", False),
        ("val/auroc", "ensemble-val-fpr98", True),
        ("val/fpr_at_tpr_98", "ensemble-val-auroc", True),
        ("val/fpr_at_tpr_98", "ensemble-val-fpr98", False),
        ("val/auroc", "mean-val-auroc", True),
        (None, "ensemble-val-fpr98", False),
    ],
)
def test_a_rule_that_differs_from_what_trials_were_pruned_by_is_told_in_a_line(
    builder: SweepBuilder, metric: str | None, rule: str, is_told: bool
) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    pruned = builder.add(trial(Bce(), epochs=20))
    facts = {} if metric is None else {"pruned_by": metric}
    for seed in pruned.seeds:
        builder.replicate(pruned, seed, None, state="pruned", reason="asha", **facts)
    made = make_tables(builder.store, builder.manifest(), rule=rule)
    told = f"1 trial(s) were stopped early by the ensemble's {metric}, not by what {rule} selects"
    for text in (made.text, made.markdown.replace("\\", "")):
        lines = [line for line in text.splitlines() if told in line]
        assert len(lines) == int(is_told)
    candidates = made.provenance["cells"][0]["candidates"]
    assert [m["pruned_by"] for c in candidates for m in c["missing"]] == [metric] * 4


def test_ensembles_of_different_sizes_do_not_compete(builder: SweepBuilder) -> None:
    one = builder.complete(trial(Bce(), epochs=10, seeds=(1,)), "one", 1.3, 1.0)
    four = builder.complete(trial(Bce(), epochs=20), "four", 0.9, 1.0)
    builder.complete(trial(Ldam(), seeds=(1, 2)), "of another row", 1.0, 1.0)
    with pytest.raises(InputError, match=r"row BCE: expected candidates that want the same seeds") as caught:
        make_tables(builder.store, builder.manifest())
    assert one.trial_id in str(caught.value)
    assert four.trial_id in str(caught.value)
    trials = tuple(t.model_copy(update={"seeds": (1,)}) for t in builder.trials)
    made = make_tables(builder.store, SweepManifest("first seeds", trials))
    assert cell(made, "BCE")["n"] == "n=1/1"


@pytest.mark.parametrize(
    ("other", "remark"),
    [
        ({}, ""),
        ({"threads": 12}, "replicates differ in CPU threads (1, 12)"),
        ({"device": "GPU X", "threads": 2}, "replicates differ in device (GPU X, cpu (x86_64))"),
        ({"compiled": True}, "replicates differ in compiled (no, yes)"),
        ({"torch": "2.12.0"}, "replicates differ in torch (2.12.0, 2.13.0)"),
        ({"processor": "Xeon | 2"}, "replicates differ in processor (EPYC, Xeon | 2)"),
        (
            {"cpu_capability": "AVX2", "compiled": True},
            "replicates differ in CPU instructions (AVX2, AVX512), compiled (no, yes)",
        ),
        ({"processor": None, "cpu_capability": None}, ""),
        ({"gpu_driver": "550.54"}, ""),
    ],
)
def test_a_cell_that_mixes_ways_of_rounding_says_so(
    builder: SweepBuilder, other: dict[str, Any], remark: str
) -> None:
    machine = {"processor": "EPYC", "cpu_capability": "AVX512", "gpu_driver": None}
    builder.complete(trial(Bce()), "a", 1.0, 1.0, **machine)
    builder.complete(trial(Bce(), epochs=20), "b", 0.5, 0.5, **{**machine, **other})
    made = make_tables(builder.store, builder.manifest())
    record = cell(made, "BCE")
    assert (record["note"], record["complete"]) == (remark, True)
    assert made.provenance["cells"][0]["mixture"] == remark
    for text in (made.markdown, made.text, made.latex):
        assert ("BCE: replicates" in text) == bool(remark)
        assert "†" not in text
    assert "dagger" not in made.latex


def test_results_of_two_gpu_drivers_are_told_and_older_results_are_no_error(builder: SweepBuilder) -> None:
    gpu = {"device": "GPU X", "processor": "EPYC"}
    builder.complete(trial(Bce()), "a", 1.0, 1.0, **gpu, gpu_driver="550.54")
    builder.complete(
        trial(Bce(), epochs=20), "b", 0.5, 0.5, device="GPU X", processor="Xeon", gpu_driver="560.1"
    )
    builder.complete(trial(Ldam()), "c", 0.5, 0.5, **gpu)
    builder.complete(trial(Ldam(), epochs=20), "d", 0.4, 0.5, **gpu, gpu_driver="550.54")
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "BCE")["note"] == "replicates differ in GPU driver (550.54, 560.1)"
    assert cell(made, "LDAM")["note"] == ""
    drivers = [replicate["gpu_driver"] for replicate in made.provenance["cells"][1]["replicates"]]
    assert drivers == [None] * 4


def test_fields_that_vary_besides_loss_and_constraint_are_shown(builder: SweepBuilder) -> None:
    narrow, wide = (trial(Bce(), model=ResNet10(width=w)) for w in (8, 16))
    builder.complete(narrow, "a", 0.1, 1.0)
    builder.complete(wide, "b", 2.0, 1.0)
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "BCE")["settings"] == "model.width=16"
    assert "Settings" in made.markdown


def test_a_field_that_no_file_holds_at_its_default_is_shown_where_it_varies(
    builder: SweepBuilder,
) -> None:
    steps = AugmentationConfig(then=(HorizontalFlip(),))
    builder.complete(trial(Bce()), "a", 0.1, 1.0)
    builder.complete(trial(Bce(), augmentation=steps), "b", 2.0, 1.0)
    made = make_tables(builder.store, builder.manifest())
    assert "augmentation.then=" in str(cell(made, "BCE")["settings"])


def test_provenance_says_where_every_number_comes_from(golden: SweepBuilder, tmp_path: Path) -> None:
    made = write_tables(golden.store, golden.manifest(), tmp_path)
    content = json.loads((tmp_path / "provenance.json").read_text())
    assert (content["schema"], content["rule"]["name"]) == (1, "ensemble-val-auroc")
    assert content["commits"] == ["c" * 40]
    assert len(content["cells"]) == len(made.frame)
    entry = next(c for c in content["cells"] if c["row"] == "S-LM")
    assert entry["decided_by"] == "rule value: 0.835 against 0.66, a lead of 0.175"
    assert len(entry["candidates"]) == 2
    done = golden.store.replicates.ended(entry["chosen"])
    assert TrialConfig.model_validate_json(json.dumps(entry["config"])).trial_id == entry["chosen"]
    for replicate in entry["replicates"]:
        stored = done[replicate["seed"]]
        assert replicate["attempt"] == stored.attempt
        assert (replicate["device"], replicate["threads"]) == ("cpu (x86_64)", 1)
        assert replicate["scores_sha256"] == stored.files["scores"].sha256
    assert entry["data_sha256"] == ["d" * 64]
    assert entry["versions"]["torch"] == ["2.13.0"]
    missing = next(c for c in content["cells"] if c["row"] == "CB-BCE")
    assert missing["chosen"] is None
    assert missing["test"] is None


def test_comparisons_pair_the_row_with_its_constraint(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    assert list(made.comparisons["row"]) == ["BCE + ALM", "S-LM + ALM", "BCE + ALM"]
    assert list(made.comparisons["pairs"]) == [2, 4, 4]
    first = made.comparisons.iloc[1]
    expected = cell(made, "S-LM + ALM")["auc_mean"] - cell(made, "S-LM")["auc_mean"]  # type: ignore[operator]
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


def test_nothing_is_written_when_results_contradict_each_other(builder: SweepBuilder, tmp_path: Path) -> None:
    builder.complete(trial(Bce()), "a", 1, 1)
    builder.complete(trial(Ldam()), "b", 1, 1, data_sha256="e" * 64)
    with pytest.raises(StoreError, match="data"):
        write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_an_unknown_rule_is_an_input_error(builder: SweepBuilder) -> None:
    builder.add(trial(Bce()))
    with pytest.raises(InputError, match="known: ensemble-val-auroc"):
        make_tables(builder.store, builder.manifest(), rule="oracle")


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.write_whole(tmp_path / "best.md", b"old")

    def refuse(source: str, target: Path) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match=r"best\.md: could not be written: no space"):
        tables.write_whole(tmp_path / "best.md", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["best.md"]
    assert (tmp_path / "best.md").read_bytes() == b"old"


def test_headline_numbers_carry_the_interval_of_the_ensemble(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    record, markdown = cell(made, "S-LM + ALM"), made.markdown
    (test,) = [c.test for c in made.cells if c.test is not None and c.test.trial_id == record["trial_id"]]
    ensemble = test.outputs.mean(axis=0, dtype=np.float64)
    arrays = task_arrays(CIFAR, DEFAULT_TARGETS)
    expected = bootstrap_intervals(arrays, test.targets, ensemble)
    for column, name in (("auc", "auroc"), ("fpr_at_tpr_98", "fpr_at_tpr_98"), ("fpr_at_tpr_90",) * 2):
        assert (record[f"{column}_low"], record[f"{column}_high"]) == expected[name]
    low, high = expected["auroc"]
    assert f"**{record['auc']:.4f}** ({low:.3f}–{high:.3f})" in markdown
    low, high = (100 * end for end in expected["fpr_at_tpr_98"])
    told = f"({low:.1f}–{high:.1f})"
    assert told in markdown
    assert told in made.text
    assert told.replace("–", "--") in made.latex
    entry = next(c for c in made.provenance["cells"] if c["chosen"] == record["trial_id"])
    assert entry["test_intervals"]["auroc"] == list(expected["auroc"])
    missing = cell(made, "CB-BCE")
    assert math.isnan(missing["auc_low"])  # type: ignore[arg-type]


def test_hostile_text_keeps_the_tables_whole(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, SweepManifest("=1|`x`\n# y", tuple(golden.trials)))
    title = made.markdown.splitlines()[0]
    assert title == r"# Best configurations of the sweep =1\|\`x\` # y"
    for line in made.markdown.splitlines():
        if line.startswith("|"):
            unescaped = line.replace(r"\|", "")
            assert unescaped.count("|") in (12, 13)
    assert r"disk \| full: \`rm\` \*now\* &amp; \$50\_%" in made.markdown


def test_a_metric_that_is_undefined_stays_empty(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce(), seeds=(1,)))
    table = score_table("a", 1, {"val": 1, "test": 1})
    scores = [*table.column("score").to_pylist()[:-1], math.nan]
    builder.replicate(config, 1, with_column(table, "score", scores))
    made = make_tables(builder.store, builder.manifest())
    record = cell(made, "BCE")
    assert record["trial_id"] == config.trial_id
    assert math.isnan(record["auc"])  # type: ignore[arg-type]
    assert record["note"]
    assert "nan" not in tables.csv(made.frame[["auc"]])
    json.dumps(made.provenance, allow_nan=False)


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
