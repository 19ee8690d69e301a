"""Tables of a task with several classes, alone and beside a binary one; rows that a space names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.pictures import write_figures
from analysis.render.escape import markdown_text
from analysis.tables import Tables, make_tables, write_tables
from search_spaces.config import Bce, ConstraintConfig, CrossEntropy, Targets, TrialConfig
from search_spaces.errors import InputError
from search_spaces.reading import Reading
from tests.analysis.stored_sweep import ALM, LONG_TAIL, SIZES, SweepBuilder, noise, trial
from trainer.store import SweepManifest
from trainer.store.outputs import outputs_table
from trainer.tasks.base import task_arrays

SEEDS = (1, 2, 3, 4, 5, 6)
HEADERS = [
    "Critical AUC",
    "Macro F1",
    "Accuracy (%)",
    "Balanced accuracy (%)",
    "Recall of medium (%)",
    "Recall of few (%)",
    "ECE (%)",
    "Adjusted macro F1",
    "Adjusted accuracy (%)",
    "Adjusted balanced accuracy (%)",
    "FPR@98 of 8 (%)",
    "FPR@95 of 8 (%)",
    "FPR@90 of 8 (%)",
    "FPR@98 of 9 (%)",
    "FPR@95 of 9 (%)",
    "FPR@90 of 9 (%)",
    "AUC of 8",
    "AUC of 9",
    "Recall of 1 (%)",
    "Recall of 8 (%)",
    "Recall of 9 (%)",
    "Critical AUC mean ± std",
]


def logits_table(key: str, seed: int, strength: float) -> pa.Table:
    """Logits of three classes, that of the right class `strength` higher."""
    tables = []
    for split, (few, many) in SIZES.items():
        targets = np.repeat(np.arange(3, dtype=np.int16), [many, few, few])
        ids = [str(1000 + i) for i in range(len(targets))]
        outputs = np.array([[noise(f"{key}/{seed}/{split}/{i}/{c}") for c in range(3)] for i in ids])
        outputs[np.arange(len(targets)), targets] += strength
        tables.append(outputs_table(split, ids, targets, outputs.astype(np.float32)))
    return pa.concat_tables(tables)


def complete(builder: SweepBuilder, strength: float, **fields: Any) -> TrialConfig:
    """A complete trial of several classes, of whose training examples no group has many."""
    config = builder.add(trial(CrossEntropy(), data=LONG_TAIL, seeds=SEEDS, **fields))
    counts = {"train/1": 90, "train/8": 28, "train/9": 9}
    for seed in SEEDS:
        builder.replicate(config, seed, logits_table(config.trial_id, seed, strength), counts=counts)
    return config


def header(made: Tables, block: str) -> list[str]:
    lines = made.markdown.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"## {block}"))
    return [cell.strip() for cell in lines[start + 2].strip("|").split("|")]


def test_a_task_of_several_classes_has_columns_of_its_own(builder: SweepBuilder, tmp_path: Path) -> None:
    complete(builder, 0.2)
    better = complete(builder, 0.5, constraint=ALM)
    made = write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    assert header(made, "cifar10")[3:-5] == HEADERS
    row = made.frame.set_index("row").loc["CE + ALM"]
    (cell,) = [c for c in made.cells if c.constrained]
    assert cell.test is not None
    arrays = task_arrays(LONG_TAIL)
    ensemble = cell.test.outputs.mean(axis=0, dtype=np.float64)
    expected = arrays.summarize(cell.test.targets, ensemble)
    for name in ("critical_auroc", "macro_f1", "balanced_accuracy", "fpr_at_tpr_98/8", "recall/9"):
        assert row[name] == expected[name]
    assert row["critical_auroc_low"] < row["critical_auroc"] < row["critical_auroc_high"]
    assert np.isnan(row["fpr_at_tpr_98/8_low"]), "its test positives do not resolve the rate"
    assert row["macro_f1_low"] < row["macro_f1"] < row["macro_f1_high"]
    assert row["macro_f1_mean_low"] < row["macro_f1_mean_high"], "of six replicates there is one"
    assert row["trial_id"] == better.trial_id
    assert row["rule"] == "ensemble-val-critical_auroc"
    assert f"**{row['critical_auroc']:.4f}**" in made.markdown
    told = json.loads((tmp_path / "tables" / "provenance.json").read_text())
    assert told["rule"]["order"][2] == "higher ensemble validation mean critical AUROC"
    assert "val_critical_auroc" in told["cells"][0]["candidates"][0]


def test_the_constraint_is_compared_by_what_steers_the_task(builder: SweepBuilder, tmp_path: Path) -> None:
    complete(builder, 0.2)
    complete(builder, 0.5, constraint=ALM)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    record = made.comparisons.set_index("metric").loc["critical_auroc"]
    rows = made.frame.set_index("row")
    of_means = rows["critical_auroc_mean"]
    assert record["mean_difference"] == pytest.approx(of_means["CE + ALM"] - of_means["CE"])
    ensembles = rows["critical_auroc"]
    assert record["difference"] == pytest.approx(ensembles["CE + ALM"] - ensembles["CE"])
    assert record["low"] < record["difference"] < record["high"]
    text = (tmp_path / "comparisons.md").read_text()
    assert "Δ Critical AUC mean over seeds" in text
    assert "Δ Macro F1" in text
    assert "Mean over seeds: of Critical AUC of single networks" in text


def test_tasks_of_two_kinds_stand_in_one_document(builder: SweepBuilder, tmp_path: Path) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    complete(builder, 1.0)
    made = write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    several, binary = made.columns
    assert header(made, "cifar10 1:100")[3] == "AUC"
    assert header(made, markdown_text(several))[3:-5] == HEADERS
    assert made.frame.set_index("block").loc[several].notna()["critical_auroc"]
    assert np.isnan(made.frame.set_index("block").loc[binary]["critical_auroc"])
    assert "(ensemble-val-auroc)" in made.text
    assert "(ensemble-val-critical_auroc)" in made.text
    assert "Critical AUC or AUC mean ± standard deviation" in made.text
    assert (
        "at least 98, 95 and 90 % of each critical class, AUC of each critical class, and Recall of each "
        "class (%); or AUC, and" in made.text
    )
    assert len(made.provenance["rules"]) == 2
    names = {path.name for path in write_figures(made, tmp_path / "figures") if path.suffix == ".png"}
    of_classes = made.frame["trial_id"][made.frame["block"] == several]
    expected = {"table.png", "classes.png", "recall-1.png", *(f"confusion-{i}.png" for i in of_classes)}
    for trial_id in made.frame["trial_id"]:
        expected |= {f"roc-{trial_id}.png", f"reliability-{trial_id}.png"}
    assert names == expected
    for rule in ("ensemble-val-auroc", "ensemble-val-macro_f1"):
        with pytest.raises(InputError, match=f"unknown selection rule '{rule}'"):
            make_tables(builder.store, builder.manifest(), rule=rule)


def test_a_headline_metric_can_be_the_rule(builder: SweepBuilder) -> None:
    for strength, epochs in ((0.5, 9), (1.0, 10), (2.0, 11)):
        complete(builder, strength, epochs=epochs)
    for rule in ("ensemble-val-macro_f1", "ensemble-val-fpr95/9", "mean-val-critical_auroc"):
        made = make_tables(builder.store, builder.manifest(), rule=rule)
        (cell,) = made.cells
        assert cell.chosen is not None
        assert cell.chosen.config.epochs == 11


def test_what_is_shown_changes_no_choice(builder: SweepBuilder) -> None:
    """Two candidates that tie in the AUROC: the sweep's own rates decide, whatever is shown."""
    for epochs in (9, 10):
        builder.complete(trial(Bce(), epochs=epochs), "the same", 1.0, 1.0)
    builder.complete(trial(Bce(), epochs=11), "another", 0.1, 1.0)
    plain = make_tables(builder.store, builder.manifest())
    shown = make_tables(builder.store, builder.manifest(), shown=Targets(tpr=(0.5, 0.995), fpr=(0.2,)))
    assert list(plain.frame["trial_id"]) == list(shown.frame["trial_id"])
    assert list(plain.frame["decided_by"]) == list(shown.frame["decided_by"])
    assert plain.provenance["rule"] == shown.provenance["rule"]
    rates = [column for column in map(str, shown.frame) if "_at_" in column]
    columns = [column for column in rates if not column.endswith(("low", "high"))]
    assert columns == ["fpr_at_tpr_50", "fpr_at_tpr_99.5", "tpr_at_fpr_20"]


def test_rows_are_those_that_the_space_names(builder: SweepBuilder) -> None:
    """The sampler tells rows apart, the epochs compete; seeds must agree only inside a row."""
    for sampler, seeds in (("shuffle", (1, 2, 3)), ("class_balanced", (1, 2))):
        for constraint in (None, ALM):
            for epochs in (9, 10):
                config = trial(Bce(), constraint, sampler=sampler, epochs=epochs, seeds=seeds)
                builder.complete(config, f"{sampler}{epochs}", epochs / 10, 1.0)
    rows = ("loss", "sampler", "constraint")
    manifest = SweepManifest("rows", tuple(builder.trials), reading=Reading(rows=rows))
    made = make_tables(builder.store, manifest)
    assert list(made.frame["row"]) == [
        "BCE",
        "BCE class_balanced",
        "BCE + ALM",
        "BCE class_balanced + ALM",
    ]
    assert set(made.frame["candidates_total"]) == {2}
    assert list(made.frame["n"]) == ["n=3/3", "n=2/2", "n=3/3", "n=2/2"]
    assert all("sampler" not in settings for settings in made.frame["settings"])
    of_area = made.comparisons[made.comparisons["metric"] == "auc"]
    assert list(of_area["row"]) == ["BCE + ALM", "BCE class_balanced + ALM"]
    assert list(of_area["seeds"]) == [3, 2]
    assert "- Rows: loss, sampler, constraint." in made.markdown
    with pytest.raises(InputError, match="row BCE: expected candidates that want the same seeds"):
        make_tables(builder.store, SweepManifest("rows", tuple(builder.trials)))


def test_every_row_of_the_constraint_is_compared_with_the_one_without(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    for penalty in (1e-3, 1e-6):
        constraint = ConstraintConfig(penalty=penalty, margin=0.25)
        builder.complete(trial(Bce(), constraint), f"alm{penalty}", 1.0, 1.0)
    reading = Reading(rows=("loss", "constraint.penalty"))
    manifest = SweepManifest("rows", tuple(builder.trials), reading=reading)
    made = make_tables(builder.store, manifest)
    assert list(made.frame["row"]) == ["BCE", "BCE + ALM penalty=1e-06", "BCE + ALM penalty=0.001"]
    compared = list(dict.fromkeys(made.comparisons["row"]))
    assert compared == ["BCE + ALM penalty=1e-06", "BCE + ALM penalty=0.001"]
    assert len(set(made.comparisons["trial_id_without"])) == 1


def test_where_the_constraint_makes_no_row_nothing_is_compared(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce()), "a", 1.0, 1.0)
    builder.complete(trial(Bce(), ALM), "b", 1.5, 1.0)
    manifest = SweepManifest("rows", tuple(builder.trials), reading=Reading(rows=("loss",)))
    made = make_tables(builder.store, manifest)
    (record,) = made.frame.to_dict("records")
    assert (record["row"], record["candidates_total"], record["alm_config"]) == ("BCE", 2, "ALM_16_beg")
    assert made.comparisons.empty
