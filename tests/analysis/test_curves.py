"""Curves over a trial's replicates: the ensemble's values, and means."""

from __future__ import annotations

import math

import pytest

from analysis.curves import curves
from tests.sweeps import synthetic_store as synthetic


def test_curves_are_the_ensemble_and_means_over_replicates() -> None:
    records = [
        {
            "epoch": 0,
            "train/loss": 1.0,
            "train/multiplier_max": 0.1,
            "val/auroc": 0.5,
            "ensemble/val/auroc": 0.6,
        },
        {
            "epoch": 0,
            "train/loss": 3.0,
            "train/multiplier_max": 0.3,
            "val/auroc": 0.7,
            "ensemble/val/auroc": 0.6,
        },
        {
            "epoch": 1,
            "train/loss": 2.0,
            "train/multiplier_max": 0.2,
            "val/auroc": 0.8,
            "ensemble/val/auroc": 0.9,
        },
    ]
    assert curves(records, constrained=True) == {
        0: {
            "train/loss_mean": 2.0,
            "train/multiplier_max": 0.3,
            "val/auroc_mean": pytest.approx(0.6),
            "val/auroc": 0.6,
        },
        1: {"train/loss_mean": 2.0, "train/multiplier_max": 0.2, "val/auroc_mean": 0.8, "val/auroc": 0.9},
    }


def test_curves_do_not_depend_on_how_records_arrive() -> None:
    config = synthetic.trials()[1]
    records = [r for seed in config.seeds for r in synthetic.epoch_records(config, seed)]
    by_epoch = sorted(records, key=lambda r: r["epoch"])
    assert curves(records, constrained=True) == curves(by_epoch, constrained=True)


def test_undefined_values_are_left_out() -> None:
    records = [
        {"epoch": 0, "train/loss": math.nan, "val/auroc": None, "ensemble/val/auroc": math.nan},
        {"epoch": 0, "train/loss": 2.0, "val/auroc": None, "ensemble/val/auroc": math.nan},
    ]
    assert curves(records, constrained=False) == {0: {"train/loss_mean": 2.0}}


def test_without_constraint_its_curves_are_left_out() -> None:
    config = synthetic.trials()[0]
    (point,) = curves(synthetic.epoch_records(config, 1)[:1], constrained=False).values()
    assert not [name for name in point if "violation" in name or "penalty" in name or "multiplier" in name]
