"""Confusion matrices before and after a method, class counts, and shares that samplers draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from analysis.class_counts import class_counts
from analysis.confusion import called, confusions
from analysis.pictures import write_figures
from analysis.render.heat import confusion_figure, recall_figure
from analysis.render.shares import classes_figure
from analysis.tables import Tables, make_tables, write_tables
from search_spaces.config import (
    Focal,
    ImageFolder,
    Imbalance,
    LogitAdjusted,
    MultiClass,
    PowerSampler,
    Sgd,
    TrialConfig,
)
from search_spaces.policies import POLICIES
from search_spaces.reading import Reading
from tests.analysis.stored_sweep import ALM, CIFAR, FOLDER, LONG_TAIL, SweepBuilder
from tests.analysis.test_tables_of_classes import COUNTS, TASK, complete
from tests.figure_texts import cut_texts, overlapping_texts
from trainer.store import SweepManifest

NONE, METHOD = POLICIES["none"], POLICIES["flip_rotate_affine_jitter"]
ROWS = ("loss", "sampler", "augmentation", "optimizer.learning_rate", "constraint")


def made(builder: SweepBuilder, out: Path | None = None) -> Tables:
    manifest = SweepManifest("classes", tuple(builder.trials), reading=Reading(rows=ROWS))
    if out is None:
        return make_tables(builder.store, manifest)
    return write_tables(builder.store, manifest, out)


def held_against(builder: SweepBuilder) -> dict[str, str | None]:
    """By the id of each row's trial that of what it is held against."""
    found: dict[str, str | None] = {}
    for confusion in confusions(made(builder).cells):
        baseline = confusion.baseline
        found[confusion.cell.chosen_id] = None if baseline is None else baseline.chosen_id
    return found


def test_a_matrix_is_that_of_the_ensemble_s_decisions(builder: SweepBuilder, tmp_path: Path) -> None:
    plain = complete(builder, augmentation=NONE)
    both = complete(builder, augmentation=METHOD, sampler="class_balanced")
    tables = made(builder, tmp_path)
    expected = {}
    for cell in tables.cells:
        assert cell.test is not None
        decided = cell.test.outputs.mean(axis=0, dtype=np.float64).argmax(axis=1)
        expected[cell.chosen_id] = confusion_matrix(cell.test.targets, decided)
    stored = pd.read_csv(tmp_path / f"confusion-{both.trial_id}.csv")
    before, after = expected[plain.trial_id], expected[both.trial_id]
    assert stored["images"].to_numpy().reshape(4, 4).tolist() == after.tolist()
    assert stored["before"].to_numpy().reshape(4, 4).tolist() == before.tolist()
    assert stored["difference"].to_numpy().reshape(4, 4).tolist() == (after - before).tolist()
    assert stored["true"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert stored["decided"].tolist() == [0, 1, 2, 3] * 4
    assert tables.provenance["held_against"] == {both.trial_id: plain.trial_id}
    alone = pd.read_csv(tmp_path / f"confusion-{plain.trial_id}.csv")
    assert alone["images"].sum() == 160
    assert alone[["before", "difference"]].isna().all().all()


def test_a_row_is_held_against_the_one_without_its_method(builder: SweepBuilder) -> None:
    """Of the same learning rate; the loss is a method where it makes up for rare classes."""
    ids: dict[tuple[str, float], str] = {}
    for rate in (0.001, 0.1):
        fields: dict[str, Any] = {"optimizer": Sgd(learning_rate=rate)}
        ids["none", rate] = complete(builder, augmentation=NONE, **fields).trial_id
        ids["both", rate] = complete(builder, augmentation=METHOD, sampler="square_root", **fields).trial_id
        ids["loss", rate] = complete(builder, LogitAdjusted(), augmentation=NONE, **fields).trial_id
        ids["alm", rate] = complete(builder, constraint=ALM, augmentation=NONE, **fields).trial_id
    found = held_against(builder)
    for rate in (0.001, 0.1):
        assert found[ids["none", rate]] is None
        for method in ("both", "loss", "alm"):
            assert found[ids[method, rate]] == ids["none", rate], method


def test_without_a_plain_row_the_one_with_fewer_parts_is_before(builder: SweepBuilder) -> None:
    sampler = complete(builder, augmentation=NONE, sampler="class_balanced")
    both = complete(builder, augmentation=METHOD, sampler="class_balanced")
    policy = complete(builder, augmentation=METHOD)
    focal = complete(builder, Focal(gamma=1.0), augmentation=METHOD)
    found = held_against(builder)
    assert found[both.trial_id] in {sampler.trial_id, policy.trial_id}
    assert found[sampler.trial_id] is found[policy.trial_id] is found[focal.trial_id] is None


def test_binary_rows_have_no_matrix(golden: SweepBuilder, tmp_path: Path) -> None:
    tables = write_tables(golden.store, golden.manifest(), tmp_path)
    assert confusions(tables.cells) == class_counts(tables.cells) == []
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(("confusion", "classes"))]


def test_classes_are_told_with_their_counts_and_the_samplers_shares(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    for sampler in ("shuffle", "progressive", "class_balanced", PowerSampler(exponent=0.25)):
        complete(builder, sampler=sampler, augmentation=NONE)
    made(builder, tmp_path)
    stored = pd.read_csv(tmp_path / "classes.csv")
    assert len(stored) == 16
    by_sampler = dict(iter(stored.groupby("sampler")))
    assert set(by_sampler) == {"shuffle", "progressive", "class_balanced", "exponent=0.25"}
    own = np.array(COUNTS) / sum(COUNTS)
    progressive = by_sampler["progressive"]
    assert progressive["training_images"].tolist() == list(COUNTS)
    assert progressive["group"].tolist() == ["many", "many", "medium", "few"]
    assert progressive["critical"].tolist() == [False, False, False, True]
    assert progressive["first_epoch"].tolist() == pytest.approx(own.tolist())
    assert progressive["last_epoch"].tolist() == [0.25] * 4
    soft = np.array(COUNTS) ** 0.75
    expected = (soft / soft.sum()).tolist()
    assert by_sampler["exponent=0.25"]["first_epoch"].tolist() == pytest.approx(expected)
    assert by_sampler["shuffle"]["last_epoch"].tolist() == pytest.approx(own.tolist())


def test_files_of_what_an_earlier_table_chose_are_gone(builder: SweepBuilder, tmp_path: Path) -> None:
    complete(builder, augmentation=NONE)
    for name in ("confusion-0123456789abcdef.csv", "confusion-mine.csv"):
        (tmp_path / name).write_text("earlier")
    (tmp_path / "confusion-0123456789abcdef.png").write_text("earlier")
    tables = made(builder, tmp_path)
    files = write_figures(tables, tmp_path)
    (trial,) = builder.trials
    names = {path.name for path in tmp_path.iterdir()}
    assert f"confusion-{trial.trial_id}.csv" in names
    assert "confusion-mine.csv" in names
    assert "confusion-0123456789abcdef.csv" not in names
    assert "confusion-0123456789abcdef.png" not in names
    expected = {"table", "classes", "recall-1"}
    expected |= {f"{kind}-{trial.trial_id}" for kind in ("roc", "reliability", "confusion")}
    assert {path.stem for path in files} == expected


HOSTILE = ("$x_1$ <b>", "肺", "a class with a name that is longer than any axis has room for", "d")


def drawn(builder: SweepBuilder, classes: int) -> list[TrialConfig]:
    names = tuple(f"{HOSTILE[i % 4]} {i}" for i in range(classes))
    data = MultiClass(
        source=ImageFolder(folder="scans"),
        classes=names,
        critical=names[-2:],
        imbalance=Imbalance(factor=10),
        label="images with a rather long name of their own in a hospital",
    )
    counts = [200 - i for i in range(classes)]
    found = []
    for sampler in ("shuffle", "progressive", "square_root"):
        for augmentation in (NONE, METHOD):
            found.append(
                complete(
                    builder, data=data, counts=counts, test=3, sampler=sampler, augmentation=augmentation
                )
            )
    return found


@pytest.mark.parametrize("classes", [4, 12, 100])
def test_every_text_of_the_figures_of_classes_lies_inside_its_canvas(
    builder: SweepBuilder, classes: int
) -> None:
    drawn(builder, classes)
    tables = made(builder)
    found = confusions(tables.cells)
    figures = [confusion_figure(found[0]), confusion_figure(found[-1])]
    figures += [recall_figure(tables.cells), classes_figure(class_counts(tables.cells))]
    for figure in figures:
        assert cut_texts(figure) == []
        assert overlapping_texts(figure) == []
    images = [axes.get_images()[0].get_array() for axes in figures[1].axes if axes.get_images()]
    assert [image.shape for image in images[:3]] == [(classes, classes)] * 3
    shares = 100 * found[-1].after / found[-1].after.sum(axis=1, keepdims=True)
    assert np.allclose(np.asarray(images[1]), shares)


def test_axes_name_classes_by_their_labels_and_of_many_every_tenth(builder: SweepBuilder) -> None:
    labels = tuple(f"c{2 * place}" for place in range(50))
    source = ImageFolder(folder="scans")
    data = MultiClass(source=source, classes=labels, critical=labels[-1:], imbalance=Imbalance(factor=10))
    complete(builder, data=data, counts=(50,) * 50, test=3)
    axes = confusion_figure(confusions(made(builder).cells)[0]).axes[0]
    assert list(axes.get_xticks()) == [0, 10, 20, 30, 40]
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == ["c0", "c20", "c40", "c60", "c80"]


def test_a_task_s_recalls_are_drawn_row_by_row(builder: SweepBuilder) -> None:
    complete(builder, augmentation=NONE)
    complete(builder, augmentation=METHOD)
    tables = made(builder)
    image = np.asarray(recall_figure(tables.cells).axes[0].get_images()[0].get_array())
    columns = [f"recall/{label}" for label in TASK.labels]
    assert np.allclose(image, 100 * tables.frame[columns].to_numpy())


def test_a_class_is_called_by_its_label_and_what_the_data_set_says() -> None:
    assert [called(LONG_TAIL, label) for label in ("8", "9")] == ["8 ship", "9 truck"]
    assert called(FOLDER, "ill") == "ill"
    assert called(CIFAR, "positive") == "positive"
