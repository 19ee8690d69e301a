"""Tables of a task with label sets, and thresholds from what is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, f1_score

from analysis.tables import write_tables
from search_spaces.config import ConstraintConfig, DigitMosaic, MultiLabel, MultiLabelBce
from search_spaces.errors import StoreError
from tests.analysis.stored_sweep import SweepBuilder, noise, trial
from trainer.metrics.thresholds import ThresholdRule
from trainer.store.outputs import outputs_of, outputs_table
from trainer.tasks.base import task_arrays

SOURCE = DigitMosaic(classes=(8, 3, 1), prevalences=(0.1, 0.3, 0.5), train=9, validation=9, test=9)
TASK = MultiLabel(source=SOURCE, classes=(8, 3, 1), critical=(8,))
EXAMPLES = {"val": 240, "test": 300}


def label_sets(split: str) -> np.ndarray:
    """One image in ten, three and two has each label."""
    position = np.arange(EXAMPLES[split])
    return np.stack([position % 10 == 0, position % 3 == 0, position % 2 == 0], axis=1).astype(np.uint8)


def scores(key: str, seed: int, strength: float, *, reverse: bool = False) -> pa.Table:
    """Logits of three labels, `strength` higher where an image has the label."""
    tables = []
    for split in EXAMPLES:
        sets = label_sets(split)
        ids = [str(1000 + i) for i in range(len(sets))]
        outputs = np.array([[noise(f"{key}/{seed}/{split}/{i}/{c}") for c in range(3)] for i in ids])
        outputs += strength * sets - 2
        tables.append(outputs_table(split, ids, sets, outputs.astype(np.float32)))
    table = pa.concat_tables(tables)
    return table.take(pa.array(np.arange(len(table))[::-1])) if reverse else table


def test_a_table_has_means_over_labels_and_columns_of_each(builder: SweepBuilder, tmp_path: Path) -> None:
    plain = builder.add(trial(MultiLabelBce(), data=TASK))
    constrained = builder.add(trial(MultiLabelBce(), ConstraintConfig(penalty=1e-6), data=TASK))
    for config, strength in ((plain, 0.4), (constrained, 0.9)):
        for seed in config.seeds:
            builder.replicate(config, seed, scores(config.trial_id, seed, strength, reverse=seed == 2))
    made = write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    row = made.frame.set_index("row").loc["ML-BCE + ALM"]
    (cell,) = [cell for cell in made.cells if cell.constrained]
    assert cell.test is not None
    assert np.array_equal(cell.test.targets, label_sets("test"))
    ensemble = cell.test.outputs.mean(axis=0, dtype=np.float64)
    sets, decided = label_sets("test"), ensemble >= 0
    assert row["mean_average_precision"] == pytest.approx(average_precision_score(sets, ensemble))
    assert row["macro_f1"] == pytest.approx(f1_score(sets, decided, average="macro"))
    assert row["micro_f1"] == pytest.approx(f1_score(sets, decided, average="micro"))
    assert row["f1/3"] == pytest.approx(f1_score(sets[:, 1], decided[:, 1]))
    assert row["rule"] == "ensemble-val-mean_average_precision"
    for text in ("mAP", "Macro F1", "Tuned macro F1", "Critical F1", "F1 of 8", "FPR@90 of 8 (%)", "AP of 3"):
        assert text in made.markdown
    assert row["mean_average_precision"] > made.frame.set_index("row").loc["ML-BCE"]["mean_average_precision"]


def test_decisions_at_chosen_thresholds_stand_beside_those_at_one_half(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    """In the table their means and F1 with intervals; in labels.csv all of each label."""
    config = builder.add(trial(MultiLabelBce(), data=TASK))
    for seed in config.seeds:
        builder.replicate(config, seed, scores(config.trial_id, seed, 0.9))
    made = write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    (cell,) = made.cells
    assert cell.test is not None
    assert cell.test.tuned is not None
    (row,) = made.frame.to_dict("records")
    ensemble, sets = cell.test.outputs.mean(axis=0, dtype=np.float64), label_sets("test")
    decided = ensemble >= np.array(list(cell.test.tuned.values.values()))
    assert row["tuned_macro_f1"] == pytest.approx(f1_score(sets, decided, average="macro"))
    assert row["tuned_f1/3"] == pytest.approx(f1_score(sets[:, 1], decided[:, 1]))
    assert row["tuned_macro_f1_low"] < row["tuned_macro_f1"] < row["tuned_macro_f1_high"]
    assert row["tuned_critical_f1"] > row["critical_f1"]
    frame = pd.read_csv(tmp_path / "tables" / "labels.csv", dtype={"decision": str})
    assert list(frame["label"]) == [8, 8, 3, 3, 1, 1]
    plain, tuned = frame.iloc[0], frame.iloc[1]
    assert (plain["decision"], tuned["decision"]) == ("0.5", "max_f1")
    for one, says in ((plain, ensemble[:, 0] >= 0), (tuned, decided[:, 0])):
        assert one["true_positives"] == np.sum(says & (sets[:, 0] == 1))
        assert one["true_positives"] + one["false_negatives"] == 30
        assert one["f1"] == pytest.approx(f1_score(sets[:, 0], says))
    assert tuned["threshold_low"] <= tuned["threshold"] <= tuned["threshold_high"]
    assert tuned["validation_positives"] == 24
    told = made.provenance["cells"][0]["tuned"]
    assert told["thresholds"]["8"]["value"] == tuned["threshold"]


def test_rows_that_the_examples_cannot_tell_apart_are_bold_alike_in_every_column(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    """Those of decisions at thresholds and of single labels too; without intervals nothing is bold."""
    for constraint in (None, ConstraintConfig(penalty=1e-6)):
        config = builder.add(trial(MultiLabelBce(), constraint, data=TASK))
        for seed in config.seeds:
            table = scores("alike", seed, 0.9)
            if constraint is not None:  # of one test image it says something else
                nudged = table.column("outputs").to_pylist()
                nudged[-1] = [value + 1 for value in nudged[-1]]
                place = table.column_names.index("outputs")
                field = table.schema.field("outputs")
                table = table.set_column(place, field, pa.array(nudged, field.type))
            builder.replicate(config, seed, table)
    made = write_tables(builder.store, builder.manifest(), tmp_path / "tables")
    (block,) = made.document.tables
    no_numbers = {"Loss", "Replicates", "Candidates", "Loss config", "ALM config", "δ", "Trial"}
    without_ties = {"ECE (%)", "FPR@98 of 8 (%)", "FPR@95 of 8 (%)", "mAP mean ± std", "Val. mAP"}
    assert {"mAP", "Tuned macro F1", "AP of 3", "Tuned F1 of 1", *without_ties} < set(block.header)
    for place, name in enumerate(block.header):
        is_bold = name not in no_numbers | without_ties
        assert [row[place].bold for row in block.rows] == [is_bold, is_bold], name


def test_thresholds_follow_from_stored_validation_scores(builder: SweepBuilder) -> None:
    config = builder.add(trial(MultiLabelBce(), data=TASK))
    for seed in config.seeds:
        builder.replicate(config, seed, scores(config.trial_id, seed, 0.9, reverse=seed == 2))
    outputs, targets = {"val": [], "test": []}, {}
    for done in builder.store.replicates.ended(config.trial_id).values():
        table = builder.store.replicates.read_scores(done)
        for split, found in outputs.items():
            read = outputs_of(table, split)
            order = np.argsort(read.ids)
            found.append(read.outputs[order])
            targets[split] = read.targets[order]
    assert np.array_equal(targets["val"], label_sets("val"))
    arrays, rule = task_arrays(TASK), ThresholdRule()
    chosen = arrays.label_thresholds(targets["val"], np.stack(outputs["val"]), rule)
    assert [one.unresolved is None for one in chosen.values()] == [True] * 3
    tuned = arrays.at_thresholds(
        targets["test"], np.mean(outputs["test"], axis=0), {name: one.value for name, one in chosen.items()}
    )
    at_zero = arrays.summarize(targets["test"], np.mean(outputs["test"], axis=0))
    assert tuned["critical_f1"] > at_zero["critical_f1"]


def test_other_label_sets_of_the_same_examples_are_refused(builder: SweepBuilder, tmp_path: Path) -> None:
    config = builder.add(trial(MultiLabelBce(), data=TASK, seeds=(1, 2)))
    first = scores(config.trial_id, 1, 0.5)
    builder.replicate(config, 1, first)
    sets = label_sets("val")
    sets[7, 2] ^= 1
    read = outputs_of(first, "val")
    changed = outputs_table("val", read.ids, sets, read.outputs)
    builder.replicate(config, 2, pa.concat_tables([changed, first.slice(EXAMPLES["val"])]))
    with pytest.raises(StoreError, match="expected the same target for the same example id"):
        write_tables(builder.store, builder.manifest(), tmp_path / "tables")
