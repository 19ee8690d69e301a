"""What makes a row: keys that differ tell rows apart, labels and order follow, the constraint pairs them."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces.catalog import load_space
from search_spaces.config import FAMILIES, Bce, ConstraintConfig, Ldam, SymmetricMargin, TrialConfig
from search_spaces.config.sampling import PowerSampler
from search_spaces.policies import POLICIES
from search_spaces.presets import preset
from search_spaces.rows import cell_key, row_label, row_order, without_constraint

TWICE: dict[str, Any] = {"loss": Ldam(), "sampler": "square_root"}
ALM = ConstraintConfig(penalty=1e-6, margin=0.25)


def trial(**changes: Any) -> TrialConfig:
    return TrialConfig(**{**preset("digits", 20), "loss": Bce(), **changes})


def test_by_default_a_row_is_a_loss_with_or_without_the_constraint() -> None:
    space = load_space("paper")
    labels = sorted({(row_order(t), row_label(t)) for t in space})
    plain = list(FAMILIES[:9])  # those of binary tasks
    assert [label for _, label in labels] == [*plain, *(f"{family} + ALM" for family in plain[:-1])]
    keys = {cell_key(t) for t in space}
    assert len(keys) == 68
    assert len({key.row for key in keys}) == len(labels)


@pytest.mark.parametrize(
    ("rows", "changes", "label"),
    [
        (("loss", "sampler", "constraint"), {}, "BCE"),
        (("loss", "sampler", "constraint"), {"constraint": ALM}, "BCE + ALM"),
        (("loss", "sampler"), {"sampler": "class_balanced"}, "BCE class_balanced"),
        (("loss", "sampler"), {"sampler": PowerSampler(exponent=0.3)}, 'BCE sampler={"exponent":0.3}'),
        (("loss", "sampler"), TWICE, "LDAM square_root (corrected twice)"),
        (("loss",), TWICE, "LDAM"),
        (("sampler",), {}, "no sampler"),
        (("loss", "augmentation"), {"augmentation": POLICIES["none"]}, "BCE"),
        (("loss", "augmentation"), {"augmentation": POLICIES["crop_flip"]}, "BCE crop_flip"),
        (("loss", "augmentation"), {}, "BCE random_crop(padding=1)"),
        (("loss", "optimizer.name"), {}, "BCE optimizer.name=sgd"),
        (("loss", "optimizer.learning_rate"), {}, "BCE learning_rate=0.05"),
        (("loss", "optimizer.warmup_epochs"), {}, "BCE"),
        (("loss", "constraint.penalty"), {"constraint": ALM}, "BCE + ALM penalty=1e-06"),
        (("loss", "constraint.penalty"), {}, "BCE"),
        (("loss.margin",), {"loss": SymmetricMargin(margin=0.5)}, "loss.margin=0.5"),
        (("loss.margin",), {}, "no loss.margin"),
        (("loss", "constraint.comparison"), {"constraint": ALM}, "BCE + ALM comparison=one_vs_rest"),
        (("loss", "constraint.comparison"), {}, "BCE"),
        (("constraint",), {}, "no constraint"),
        (("constraint",), {"constraint": ALM}, "ALM"),
        (("model", "patience"), {"patience": None, "constraint": ALM}, "model=small_cnn patience=none"),
        ((), {}, "all trials"),
    ],
)
def test_labels_tell_the_values(rows: tuple[str, ...], changes: dict[str, Any], label: str) -> None:
    assert row_label(trial(**changes), rows) == label


def test_what_is_no_key_competes_inside_a_row() -> None:
    other = trial(constraint=ConstraintConfig(penalty=1e-3, margin=1.0))
    assert cell_key(other) == cell_key(trial(constraint=ALM)) != cell_key(trial())
    apart = ("loss", "constraint.penalty")
    assert cell_key(other, apart) != cell_key(trial(constraint=ALM), apart)
    assert cell_key(trial(loss=SymmetricMargin(margin=1))) == cell_key(trial(loss=SymmetricMargin(margin=2)))
    compared = ("loss", "constraint.comparison")  # which stands at its default, and is stored nowhere
    assert cell_key(trial(constraint=ALM), compared) != cell_key(trial(), compared)
    assert cell_key(trial(), ("loss.margin",)) == cell_key(trial(loss=Ldam()), ("loss.margin",))


def test_rows_that_differ_differ_in_label_and_place() -> None:
    rows = ("loss", "sampler", "constraint.margin", "epochs")
    trials = []
    for loss in (Bce(), SymmetricMargin(margin=1)):
        for constraint in (None, ALM, ConstraintConfig(penalty=1, margin=10)):
            for sampler in ("shuffle", "class_balanced"):
                for epochs in (9, 10):
                    trials.append(trial(loss=loss, constraint=constraint, sampler=sampler, epochs=epochs))
    for tell in (row_label, row_order, cell_key):
        assert len({tell(t, rows) for t in trials}) == len(trials)
    ordered = [row_label(t, rows) for t in sorted(trials, key=lambda t: row_order(t, rows))]
    assert ordered[:3] == [
        "BCE epochs=9",
        "BCE epochs=10",
        "BCE class_balanced epochs=9",
    ]
    assert ["ALM" in label for label in ordered] == [False] * 8 + [True] * 16


def test_a_pair_differs_in_the_constraint_alone() -> None:
    rows = ("loss", "constraint.margin", "constraint", "sampler")
    assert without_constraint(rows) == ("loss", "sampler")
    assert cell_key(trial(constraint=ALM), without_constraint(rows)) == cell_key(
        trial(), without_constraint(rows)
    )
