"""The columns of a cell's row: settings, intervals, undefined values."""

import json
import math

import numpy as np

from analysis.render.formats import csv
from analysis.statistics.resampled import bootstrap_intervals, examples_key
from analysis.tables import make_tables
from search_spaces.config import (
    DEFAULT_TARGETS,
    AugmentationConfig,
    Bce,
    HorizontalFlip,
    Ldam,
    ResNet10,
    Sgd,
)
from tests.analysis.stored_sweep import CIFAR, SweepBuilder, cell, score_table, trial, with_column
from trainer.tasks.base import task_arrays


def test_fields_that_vary_besides_loss_and_constraint_are_shown(builder: SweepBuilder) -> None:
    narrow, wide = (trial(Bce(), model=ResNet10(width=w)) for w in (8, 16))
    builder.complete(narrow, "a", 0.1, 1.0)
    builder.complete(wide, "b", 2.0, 1.0)
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "BCE")["settings"] == "model.width=16"
    assert "In all rows: model.width=16." in made.markdown


def test_what_rows_of_a_block_share_is_said_once(builder: SweepBuilder) -> None:
    """Of two settings that vary within the sweep, one does among a block's chosen trials."""
    other = CIFAR.with_ratio(10.0)
    for width, loss, data in ((8, Bce(), CIFAR), (16, Ldam(), CIFAR), (16, Bce(), other), (8, Ldam(), other)):
        chosen = trial(loss, data=data, model=ResNet10(width=width), optimizer=Sgd(learning_rate=0.123456789))
        builder.complete(chosen, "a", 2.0, 1.0)
    builder.complete(trial(Bce(), data=other, model=ResNet10(width=4)), "worse", 0.1, 1.0)
    made = make_tables(builder.store, builder.manifest())
    for table in made.document.tables:
        assert table.shared == "optimizer.learning_rate=0.1235"
        assert table.header[-2:] == ("Settings", "Trial")
        assert {row[-2].text for row in table.rows} == {"model.width=8", "model.width=16"}
    for text in (made.markdown, made.text, made.latex.replace("\\penalty500 ", "").replace("\\_", "_")):
        assert text.count("In all rows: optimizer.learning_rate=0.1235.") == 2
    assert "optimizer.learning_rate=0.123456789" in cell(made, "BCE")["settings"], "CSV has all digits"


def test_a_single_seed_has_no_deviation(builder: SweepBuilder) -> None:
    builder.complete(trial(Bce(), seeds=(1,)), "a", 1.0, 1.0)
    made = make_tables(builder.store, builder.manifest())
    assert math.isnan(cell(made, "BCE")["auc_std"])
    assert "±" not in made.document.tables[0].rows[0][7].text
    assert "AUC mean" in made.document.tables[0].header
    builder.complete(trial(Ldam(), seeds=(1, 2)), "b", 1.0, 1.0)
    header = make_tables(builder.store, builder.manifest()).document.tables[0].header
    assert "AUC mean ± std" in header


def test_a_field_that_no_file_holds_at_its_default_is_shown_where_it_varies(
    builder: SweepBuilder,
) -> None:
    steps = AugmentationConfig(then=(HorizontalFlip(),))
    builder.complete(trial(Bce()), "a", 0.1, 1.0)
    builder.complete(trial(Bce(), augmentation=steps), "b", 2.0, 1.0)
    made = make_tables(builder.store, builder.manifest())
    assert "augmentation.then=" in str(cell(made, "BCE")["settings"])


def test_headline_numbers_carry_the_interval_of_the_ensemble(golden: SweepBuilder) -> None:
    made = make_tables(golden.store, golden.manifest())
    record, markdown = cell(made, "S-LM + ALM"), made.markdown
    (test,) = [c.test for c in made.cells if c.test is not None and c.test.trial_id == record["trial_id"]]
    ensemble = test.outputs.mean(axis=0, dtype=np.float64)
    arrays = task_arrays(CIFAR, DEFAULT_TARGETS)
    expected = bootstrap_intervals(arrays, test.targets, ensemble, key=examples_key(CIFAR, test.targets))
    assert (record["auc_low"], record["auc_high"]) == expected["auroc"]
    assert record["unresolved"] == "fpr_at_tpr_98; fpr_at_tpr_95; fpr_at_tpr_90", "of 20 positives"
    assert math.isnan(record["fpr_at_tpr_98_low"])
    low, high = expected["auroc"]
    told = f"({low:.3f}–{high:.3f})"
    assert f"**{record['auc']:.4f}** {told}" in markdown
    assert told in markdown
    assert told in made.text
    assert told.replace("–", "--") in made.latex
    entry = next(c for c in made.provenance["cells"] if c["chosen"] == record["trial_id"])
    assert entry["test_intervals"]["auroc"] == list(expected["auroc"])
    missing = cell(made, "CB-BCE")
    assert math.isnan(missing["auc_low"])


def test_a_metric_that_is_undefined_stays_empty(builder: SweepBuilder) -> None:
    config = builder.add(trial(Bce(), seeds=(1,)))
    table = score_table("a", 1, {"val": 1, "test": 1})
    scores = [*table.column("score").to_pylist()[:-1], math.nan]
    builder.replicate(config, 1, with_column(table, "score", scores))
    made = make_tables(builder.store, builder.manifest())
    record = cell(made, "BCE")
    assert record["trial_id"] == config.trial_id
    assert math.isnan(record["auc"])
    assert record["note"]
    assert "nan" not in csv(made.frame[["auc"]])
    json.dumps(made.provenance, allow_nan=False)
