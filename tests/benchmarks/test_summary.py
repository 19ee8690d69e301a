"""Rates, costs and the bf16 check, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import bill, summary
from benchmarks.floor import flop_per_image
from search_spaces.presets import preset
from trainer.data.task import load_task


def process(start: float, end: float, images: int, train_seconds: float | None = None) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "epochs": 1,
        "train_images": images,
        "train_seconds": train_seconds,
        "validation_images": 20,
        "overlaps": False,
    }


def turn(*processes: dict[str, Any], validation_rate: float = 10.0) -> dict[str, Any]:
    validations = [{"images": 40, "seconds": 40 / validation_rate} for _ in processes]
    return {"processes": list(processes), "validations": validations, "joules": None, "load_average": 0.0}


def test_rates_of_one_process_and_of_two() -> None:
    timed = summary.turn_rates(turn(process(0, 8, 100, train_seconds=5)))
    assert timed == {"train": 20.0, "epoch": 12.5, "validation": 10.0}
    # 20 validation images at 10 per second: 2 of the 8 seconds.
    assert summary.turn_rates(turn(process(0, 8, 90)))["train"] == pytest.approx(15)
    # From 1 to 11; of 19 busy seconds 15 train.
    both = summary.turn_rates(turn(process(1, 10, 80), process(1, 11, 100)))
    assert both["train"] == pytest.approx(180 / (10 * 15 / 19))
    assert both["epoch"] == pytest.approx(18)
    assert both["validation"] == pytest.approx(20)
    overlapping = process(0, 8, 90) | {"overlaps": True}
    assert summary.turn_rates(turn(overlapping))["train"] == pytest.approx(90 / 8)


def bf16_run(shift: float) -> dict[str, Any]:
    auroc = {"1": [0.5, 0.7], "2": [0.9, 0.8]}
    scores = {"1": [0.0, 1.0], "2": [2.0, 3.0]}
    moved = {
        "auroc": {seed: [v - shift / 10 for v in values] for seed, values in auroc.items()},
        "scores": {seed: [v + shift for v in values] for seed, values in scores.items()},
    }
    return {"float32": {"auroc": auroc, "scores": scores}, "bf16": moved}


def test_bf16_holds_when_it_moves_a_seed_less_than_another_seed_does() -> None:
    found = summary.bf16_against_seeds(bf16_run(0.5))
    assert found["auroc_bf16"] == pytest.approx(0.05)
    assert found["auroc_seeds"] == pytest.approx(0.2)
    assert (found["scores_bf16"], found["scores_seeds"]) == (pytest.approx(0.5), pytest.approx(2))
    assert found["holds"]
    assert not summary.bf16_against_seeds(bf16_run(2.5))["holds"]


def test_the_bills_of_the_studies() -> None:
    studies = {name: bill.workload(trials) for name, trials in bill.studies().items()}
    assert (studies["paper"]["trials"], studies["paper"]["replicates"]) == (3284, 32840)
    assert (studies["two-stage"]["trials"], studies["two-stage"]["width"]) == (1364, 64)
    cost = bill.hours(studies["two-stage"], {True: 1e5}, 0.0)
    assert (round(cost["hours"], 1), cost["overhead_share"]) == (12.3, 0)
    images = [studies["two-stage"][f"{kind}_images"] for kind in ("constrained", "other")]
    slower = bill.hours(studies["two-stage"], {True: 100.0, False: 50.0}, 60.0)
    seconds = images[0] / 100 + images[1] / 50
    assert slower["hours"] == pytest.approx((seconds + 60 * 1364) / 3600)
    assert slower["overhead_share"] == pytest.approx(60 * 1364 / (seconds + 60 * 1364))


@pytest.mark.parametrize("ratio", [100, 200])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_training_images_are_those_of_the_real_data(real_data: Path, name: str, ratio: int) -> None:
    fields: dict[str, Any] = preset(name, ratio)
    assert bill.train_images(fields["data"]) == len(load_task(fields["data"], real_data).train_indices(1))


def test_operations_per_image_by_hand() -> None:
    # Width 1 at 32 x 32, multiplications of the forward pass: stem, then per stage both 3 x 3 convolutions
    # and the 1 x 1 shortcut, then the head. The backward pass costs twice that, less the stem's images.
    stem = 9 * 3 * 1 * 32**2
    forward = stem + 2 * 9 * 32**2
    for channels, side in ((2, 16), (4, 8), (8, 4)):
        into = channels // 2
        forward += (9 * into * channels + 9 * channels**2 + into * channels) * side**2
    forward += 8
    assert flop_per_image(1) == 2 * (3 * forward - stem)
