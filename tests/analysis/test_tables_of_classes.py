"""What tables tell of several classes: groups, calibration, rates not resolved, adjusted decisions."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.tables import Tables, make_tables, write_tables
from search_spaces.config import (
    AugmentationConfig,
    Cifar100,
    CrossEntropy,
    Digits,
    ImageFolder,
    Imbalance,
    LogitAdjusted,
    MultiClass,
    TrialConfig,
)
from search_spaces.config.augmentation import Affine, ColorJitter, Rotation
from search_spaces.reading import Reading
from tests.analysis.stored_sweep import ALM, SweepBuilder, noise, trial
from tests.analysis.test_tables_of_any_task import header
from trainer.metrics.adjustment import adjusted, chosen_tau
from trainer.metrics.multiclass import decisions, recalls
from trainer.store import SweepManifest
from trainer.store.outputs import outputs_table
from trainer.tasks.base import task_arrays

SEEDS = (1, 2)
TASK = MultiClass(
    source=Digits(), classes=(0, 1, 2, 3), critical=(3,), imbalance=Imbalance(factor=30), test_per_class=40
)
COUNTS = (300, 101, 100, 10)


def logits_table(
    key: str, seed: int, *, classes: int, test: int, validation: int = 30, shares: Sequence[float] = ()
) -> pa.Table:
    """Logits that lie higher for the right class, and for the classes of larger training `shares`."""
    tables = []
    for split, size in (("val", validation), ("test", test)):
        targets = np.repeat(np.arange(classes, dtype=np.int16), size)
        ids = [str(i) for i in range(len(targets))]
        rows = [[noise(f"{key}/{seed}/{split}/{i}/{c}") for c in range(classes)] for i in ids]
        outputs = np.array(rows).reshape(len(targets), classes)
        outputs[np.arange(len(targets)), targets] += 1.5
        if len(shares):
            outputs += np.log(shares)
        tables.append(outputs_table(split, ids, targets, outputs.astype(np.float32)))
    return pa.concat_tables(tables)


def complete(
    builder: SweepBuilder,
    loss: Any = None,
    *,
    data: MultiClass = TASK,
    test: int = 40,
    counts: Sequence[int] | None = COUNTS,
    **fields: Any,
) -> TrialConfig:
    """A complete trial whose logits know the training shares."""
    config = builder.add(trial(loss or CrossEntropy(), data=data, seeds=SEEDS, patience=None, **fields))
    facts = {}
    shares: Sequence[float] = ()
    if counts is not None:
        facts["counts"] = {f"train/{label}": n for label, n in zip(data.classes, counts, strict=True)}
        shares = (np.array(counts) / sum(counts)).tolist()
    validation = 30 if data.validates else 0
    for seed in SEEDS:
        table = logits_table(
            config.trial_id,
            seed,
            classes=len(data.classes),
            test=test,
            validation=validation,
            shares=shares,
        )
        builder.replicate(config, seed, table, **facts)
    return config


def only(made: Tables) -> dict[str, Any]:
    (record,) = made.frame.to_dict("records")
    return record


def ensemble(made: Tables) -> tuple[np.ndarray, np.ndarray]:
    """Test targets and mean logits of the only cell."""
    (cell,) = made.cells
    assert cell.test is not None
    return cell.test.targets, cell.test.outputs.mean(axis=0, dtype=np.float64)


def test_recall_is_told_of_groups_by_the_training_counts(builder: SweepBuilder, tmp_path: Path) -> None:
    complete(builder)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    targets, logits = ensemble(made)
    each = recalls(targets, decisions(logits), 4)
    row = only(made)
    assert row["recall_many"] == pytest.approx(each[:2].mean())
    assert (row["recall_medium"], row["recall_few"]) == (each[2], each[3])
    assert "Recall of few (%)" in header(made, "digits")


def test_a_group_of_no_class_is_blank(builder: SweepBuilder, tmp_path: Path) -> None:
    complete(builder, counts=(300, 200, 110, 101))
    complete(builder, CrossEntropy(), counts=(300, 200, 110, 101), constraint=ALM)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    lines = (tmp_path / "best.csv").read_text().splitlines()
    place = lines[0].split(",").index("recall_few")
    assert [line.split(",")[place] for line in lines[1:]] == ["", ""]
    assert "Recall of few (%)" not in header(made, "digits")
    assert "Recall of many (%)" in header(made, "digits")
    assert json.loads((tmp_path / "provenance.json").read_text())["cells"][0]["test"]["recall_few"] is None


def test_results_that_tell_no_counts_leave_blank_what_needs_them(builder: SweepBuilder) -> None:
    complete(builder, counts=None)
    made = make_tables(builder.store, builder.manifest())
    row = only(made)
    assert np.isnan([row["recall_many"], row["recall_few"], row["adjusted_macro_f1"]]).all()
    assert not np.isnan([row["calibration_error"], row["accuracy"]]).any()
    assert not any("djusted" in name for name in header(made, "digits"))


def test_rates_that_too_few_positives_tell_are_marked_in_every_format(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    """40 test positives: 29 are enough for 90 %, 59 are needed for 95 %, 149 for 98 %."""
    complete(builder)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    row = only(made)
    assert row["unresolved"] == "fpr_at_tpr_98/3; fpr_at_tpr_95/3"
    stored = pd.read_csv(io.StringIO((tmp_path / "best.csv").read_text()))
    assert stored["unresolved"][0] == row["unresolved"]
    needs = "(149 for 98 %, 59 for 95 % and 29 for 90 % are needed)"
    for rate, is_marked in ((98, True), (95, True), (90, False)):
        value = f"{100 * row[f'fpr_at_tpr_{rate}/3']:.2f}"
        place = header(made, "digits").index(f"FPR@{rate} of 3 (%)")
        (line,) = [line for line in made.markdown.splitlines() if line.startswith("| CE")]
        cell = line.strip("|").split("|")[place].strip()
        assert cell.startswith(f"{value} ‡" if is_marked else f"**{value}**")
    assert needs in made.markdown
    assert needs in made.text.replace("\n", " ")
    assert " ‡" in made.text
    assert r"$^\ddagger$" in made.latex
    assert r"\textbf" in made.latex


def test_enough_positives_leave_no_mark(builder: SweepBuilder) -> None:
    complete(builder, test=150)
    made = make_tables(builder.store, builder.manifest())
    assert only(made)["unresolved"] == ""
    assert "‡" not in made.markdown + made.text


def test_adjusted_decisions_take_tau_from_validation(builder: SweepBuilder, tmp_path: Path) -> None:
    config = complete(builder)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    row = only(made)
    outputs = []
    for seed in SEEDS:
        table = logits_table(config.trial_id, seed, classes=4, test=40, shares=np.array(COUNTS) / sum(COUNTS))
        outputs.append(table.filter(pa.compute.equal(table["split"], "val")))
    targets = outputs[0]["target"].to_numpy()
    logits = np.mean([np.array(part["outputs"].to_pylist()) for part in outputs], axis=0)
    tau = chosen_tau(targets, logits, COUNTS)
    test_targets, test_logits = ensemble(made)
    expected = task_arrays(TASK).summarize(test_targets, adjusted(test_logits, COUNTS, tau))
    assert row["adjusted_tau"] == tau > 0
    for name in ("macro_f1", "accuracy", "balanced_accuracy"):
        assert row[f"adjusted_{name}"] == pytest.approx(expected[name])
    assert row["adjusted_macro_f1"] > row["macro_f1"]
    assert f"(τ={tau:g})" in made.markdown
    told = json.loads((tmp_path / "provenance.json").read_text())["cells"][0]["adjusted"]
    assert told["tau"] == tau
    assert "Adjusted: decided by the highest z - τ log π" in made.markdown


@pytest.mark.parametrize(
    "fields",
    [{"loss": LogitAdjusted()}, {"sampler": "class_balanced"}, {"sampler": "square_root"}],
    ids=["loss", "balanced", "soft"],
)
def test_what_makes_up_for_rare_classes_itself_is_not_adjusted_again(
    builder: SweepBuilder, fields: dict[str, Any]
) -> None:
    complete(builder, **fields)
    row = only(make_tables(builder.store, builder.manifest()))
    assert np.isnan([row["adjusted_tau"], row["adjusted_macro_f1"]]).all()


def test_without_validation_nothing_is_adjusted(builder: SweepBuilder) -> None:
    data = TASK.model_copy(update={"validation_per_class": 0, "train_share": 1.0})
    complete(builder, data=data, scored="last")
    made = make_tables(builder.store, builder.manifest())
    row = only(made)
    assert np.isnan(row["adjusted_macro_f1"])
    assert 0 < row["macro_f1"] < 1


def test_permuted_test_outputs_change_no_tau(builder: SweepBuilder, tmp_path: Path) -> None:
    config = complete(builder)
    before = only(make_tables(builder.store, builder.manifest()))
    other = SweepBuilder(tmp_path / "other")
    other.add(config)
    facts = {"counts": {f"train/{label}": n for label, n in zip(TASK.classes, COUNTS, strict=True)}}
    for done in builder.store.all_replicates()[config.trial_id].values():
        table = builder.store.replicates.read_scores(done)
        tested = np.asarray(table["split"].to_pylist()) == "test"
        order = np.arange(len(table))
        order[tested] = order[tested][::-1]
        turned = table.set_column(3, "outputs", table["outputs"].take(pa.array(order)))
        other.replicate(config, done.seed, turned, **facts)
    after = only(make_tables(other.store, other.manifest()))
    assert after["adjusted_tau"] == before["adjusted_tau"]
    assert after["adjusted_macro_f1"] != before["adjusted_macro_f1"]


def test_of_many_classes_single_ones_stand_in_the_csv_alone(builder: SweepBuilder, tmp_path: Path) -> None:
    """Eleven classes: their recalls are not printed; those of the one critical class are."""
    names = tuple(f"class-{i}" for i in range(11))
    data = MultiClass(source=ImageFolder(folder="scans"), classes=names, critical=names[-1:])
    complete(builder, data=data, counts=[200 - 15 * i for i in range(11)])
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    printed = header(made, "scans")
    assert not any(name.startswith("Recall of class-") for name in printed)
    assert "AUC of class-10" in printed
    stored = pd.read_csv(tmp_path / "best.csv")
    assert {f"recall/{name}" for name in names} <= set(stored.columns)
    assert stored[f"recall/{names[3]}"].notna().all()


def published_rows(builder: SweepBuilder) -> None:
    """CIFAR-50 at u = 0.1, all images: without the method, with it, and with its sampler alone."""
    data = MultiClass(
        source=Cifar100(),
        classes=tuple(range(0, 100, 2)),
        critical=(98,),
        imbalance=Imbalance(profile="cui", factor=10),
        validation_per_class=0,
        train_share=1.0,
    )
    none = AugmentationConfig(crop_padding=0, horizontal_flip=0.0)
    steps = (Rotation(degrees=15), Affine(translate=0.1), ColorJitter(hue=0.05))
    method = AugmentationConfig(crop_padding=0, horizontal_flip=0.3, then=steps)
    counts = [max(10, 500 - 10 * i) for i in range(50)]
    for sampler, augmentation in (
        ("shuffle", none),
        ("class_balanced", none),
        ("class_balanced", method),
    ):
        complete(
            builder,
            data=data,
            test=2,
            counts=counts,
            scored="last",
            sampler=sampler,
            augmentation=augmentation,
        )


def test_published_figures_stand_beside_their_rows(builder: SweepBuilder, tmp_path: Path) -> None:
    published_rows(builder)
    reading = Reading(rows=("loss", "sampler", "augmentation"))
    manifest = SweepManifest("published", tuple(builder.trials), reading=reading)
    made = write_tables(builder.store, manifest, tmp_path)
    stored = pd.read_csv(tmp_path / "best.csv").set_index("trial_id")
    plain, sampler, method = (config.trial_id for config in builder.trials)
    assert stored.loc[plain, ["published_macro_f1", "published_accuracy"]].tolist() == [0.425, 0.4612]
    assert stored.loc[method, ["published_macro_f1", "published_accuracy"]].tolist() == [0.503, 0.5156]
    assert stored.loc[sampler, ["published_macro_f1", "published_source"]].isna().all()
    names = header(made, "cifar")
    place = names.index("Published macro F1")
    assert names[place + 1] == "Published accuracy (%)"
    rows = [line.strip("|").split("|") for line in made.markdown.splitlines() if line.startswith("| CE")]
    cells = [[row[place].strip(), row[place + 1].strip()] for row in rows]
    assert sorted(cells) == [["0.425", "46.12"], ["0.503", "51.56"], ["–", "–"]]
    assert "from the document on re-weighted sampling" in made.markdown
    for text in (made.text, made.latex):
        assert "0.503" in text
    assert "published" not in json.dumps(made.provenance["cells"][0]["candidates"])


def test_where_nothing_was_published_there_is_no_such_column(builder: SweepBuilder) -> None:
    complete(builder)
    made = make_tables(builder.store, builder.manifest())
    assert not [name for name in made.frame if "published" in str(name)]
    assert "ublished" not in made.markdown


def test_batches_with_a_critical_example_are_told_of_the_constraint(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    """A mean over epochs and replicates; of results that do not tell it, and without constraint, blank."""
    complete(builder)
    config = builder.add(trial(CrossEntropy(), ALM, data=TASK, seeds=SEEDS, patience=None))
    for seed, shares in zip(SEEDS, ([0.2, 0.4], [0.6, 0.4]), strict=True):
        table = logits_table(config.trial_id, seed, classes=4, test=40)
        builder.replicate(config, seed, table, critical_batches=shares)
    made = write_tables(builder.store, builder.manifest(), tmp_path)
    stored = pd.read_csv(tmp_path / "best.csv").set_index("row")["critical_batches"]
    assert stored["CE + ALM"] == pytest.approx(0.4)
    assert np.isnan(stored["CE"])
    names = header(made, "digits")
    place = names.index("Critical batches (%)")
    rows = [line.strip("|").split("|") for line in made.markdown.splitlines() if line.startswith("| CE")]
    assert [row[place].strip() for row in rows] == ["–", "40.0"]
    assert "Critical batches: of a row with the constraint" in made.markdown


def test_results_of_before_tell_no_batches(builder: SweepBuilder) -> None:
    complete(builder)
    complete(builder, constraint=ALM)
    made = make_tables(builder.store, builder.manifest())
    assert "critical_batches" not in made.frame
    assert "Critical batches" not in made.markdown
