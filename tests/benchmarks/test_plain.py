"""The plain baseline trains, counts what it did, and computes the constraint of the paper."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from search_spaces.errors import DataError
from tests.benchmarks.plain import (
    PlainConstraint,
    PlainData,
    PlainResult,
    PlainSettings,
    load_plain_data,
    run_plain,
    tuned_settings,
)
from tests.benchmarks.plain_constraint import LoopedConstraint, VectorisedConstraint
from tests.benchmarks.plain_resnet import ResNet10

CPU = torch.device("cpu")


def noisy_image(random: np.random.Generator, brightness: int) -> Image.Image:
    return Image.fromarray(random.integers(0, 100, (32, 32, 3), dtype=np.uint8) + np.uint8(brightness))


@pytest.fixture(scope="module")
def bright_or_dark() -> PlainData:
    """Positives are brighter: a network that learns at all separates them. 96 images train, 32 validate."""
    random = np.random.default_rng(0)
    train, validation = [int(i % 4 == 0) for i in range(96)], [int(i % 4 == 0) for i in range(32)]
    images = [[noisy_image(random, 150 * label) for label in labels] for labels in (train, validation)]
    return PlainData(images[0], train, images[1], validation)


def train(data: PlainData, constraint: PlainConstraint | None, settings: PlainSettings) -> PlainResult:
    return run_plain(
        data, width=4, constraint=constraint, epochs=3, device="cpu", seed=7, threads=1, settings=settings
    )


# Python 3.12 and later warn of a fork beside running threads, which is how a loader starts its workers.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("constraint", [None, PlainConstraint(penalty=1e-4)])
@pytest.mark.parametrize("tuned", [False, True])
def test_both_variants_learn_and_count_their_images(
    bright_or_dark: PlainData, tuned: bool, constraint: PlainConstraint | None
) -> None:
    result = run_plain(
        bright_or_dark,
        width=4,
        constraint=constraint,
        epochs=4,
        device="cpu",
        seed=1,
        threads=1,
        tuned=tuned,
    )
    assert (result.train_images, result.validation_images) == (4 * 96, 4 * 32)
    assert len(result.validation_auroc) == len(result.train_loss) == 4
    assert result.validation_auroc[-1] > 0.95
    assert result.train_loss[-1] < result.train_loss[0]
    assert result.train_seconds > 0
    assert result.validation_seconds > 0
    assert result.peak_memory_bytes > 10**7
    assert result.settings == (tuned_settings("cpu", 1) if tuned else PlainSettings())


def test_a_seed_repeats_its_result_and_leaves_the_callers_state_alone(bright_or_dark: PlainData) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    first, second = (train(bright_or_dark, None, PlainSettings()) for _ in range(2))
    assert first.train_loss == second.train_loss
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_the_vectorised_constraint_trains_as_the_looped_one(bright_or_dark: PlainData) -> None:
    constraint = PlainConstraint(penalty=1e-2, margin=0.5)
    looped = train(bright_or_dark, constraint, PlainSettings())
    vectorised = train(bright_or_dark, constraint, PlainSettings(vectorised_constraint=True))
    without = train(bright_or_dark, None, PlainSettings())
    assert vectorised.train_loss == pytest.approx(looped.train_loss, rel=1e-3)
    assert looped.train_loss[0] > 1.01 * without.train_loss[0]


@pytest.mark.parametrize("kind", [LoopedConstraint, VectorisedConstraint])
def test_constraint_on_a_batch_by_hand(kind: type[LoopedConstraint]) -> None:
    # Margin 1. Positive 1.0 against 0.5 and -2.0: q = 0.5. Positive -1.0 against them: q = 2.5 + 0 = 2.5.
    scores = torch.tensor([1.0, 0.5, -1.0, -2.0], requires_grad=True)
    labels, indices = torch.tensor([1, 0, 1, 0]), torch.tensor([5, 0, 2, 1])
    constraint = kind(PlainConstraint(penalty=0.1, margin=1.0), 6, CPU)
    first = constraint.term(scores, labels, indices)
    assert first.item() == pytest.approx(0.05 * (0.5**2 + 2.5**2) / 4)
    constraint.update()
    torch.testing.assert_close(constraint.multipliers, torch.tensor([0.0, 0.0, 0.25, 0.0, 0.0, 0.05]))
    second = constraint.term(scores, labels, indices)
    assert second.item() == pytest.approx(first.item() + (0.05 * 0.5 + 0.25 * 2.5) / 4)
    second.backward()
    # d/ds_j = -(mu q_j + lambda_j) * violating pairs / 4; at -1.0 the pair with -2.0 stands on the hinge.
    assert scores.grad is not None
    assert scores.grad[0].item() == pytest.approx(-(0.1 * 0.5 + 0.05) / 4)


@pytest.mark.parametrize("kind", [LoopedConstraint, VectorisedConstraint])
@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_class_adds_nothing(kind: type[LoopedConstraint], label: int) -> None:
    constraint = kind(PlainConstraint(penalty=1.0), 3, CPU)
    term = constraint.term(torch.randn(3), torch.full((3,), label), torch.arange(3))
    constraint.update()
    assert term.item() == 0
    assert constraint.multipliers.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("penalty", "doublings"), [(1e-6, 5), (1e-3, 3)])
def test_the_penalty_grows_without_improvement_up_to_its_limit(penalty: float, doublings: int) -> None:
    constraint = LoopedConstraint(PlainConstraint(penalty=penalty, growth=2.0), 1, CPU)
    for auroc in (0.6, 0.7):
        constraint.end_epoch(auroc)
    assert constraint.penalty == penalty
    constraint.end_epoch(0.7)
    assert constraint.penalty == 2 * penalty
    for _ in range(10):
        constraint.end_epoch(0.5)
    assert constraint.penalty == pytest.approx(penalty * 2**doublings)


def test_resnet10_has_the_usual_number_of_parameters() -> None:
    # The ten-class CIFAR ResNet-10 has 4,903,242; nine outputs of 512 weights and a bias fewer here.
    assert sum(parameter.numel() for parameter in ResNet10(64).parameters()) == 4_903_242 - 9 * 513


def write_parquet(folder: Path, per_class: int) -> None:
    rows, labels = [], []
    for number in range(3 * per_class):
        # The first pixel tells an image from all others.
        pixels = np.full((32, 32, 3), (number % 256, number // 256, 0), dtype=np.uint8)
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG")
        rows.append({"bytes": png.getvalue(), "path": None})
        labels.append((1, 9, 4)[number % 3])
    parquet.write_table(pa.table({"img": rows, "label": labels}), folder / "train.parquet")


def test_load_draws_disjoint_splits_of_the_asked_sizes(tmp_path: Path) -> None:
    write_parquet(tmp_path, 120)
    one, two = (load_plain_data(tmp_path, ratio=3, seed=seed) for seed in (1, 2))
    assert (len(one.train_images), sum(one.train_labels)) == (18 + 6, 6)  # 90 % of the 20 left, and a third
    assert (len(one.validation_images), sum(one.validation_labels)) == (200, 100)

    def numbers(images: list[Image.Image]) -> list[int]:
        return [int(pixel[0]) + 256 * int(pixel[1]) for pixel in (np.asarray(i)[0, 0] for i in images)]

    assert set(numbers(one.train_images)).isdisjoint(numbers(one.validation_images))
    assert numbers(one.validation_images) == numbers(two.validation_images)
    assert numbers(one.train_images) != numbers(two.train_images)
    for number, label in zip(numbers(one.train_images), one.train_labels, strict=True):
        assert number % 3 == label


def test_load_says_when_there_are_too_few_images(tmp_path: Path) -> None:
    write_parquet(tmp_path, 101)
    with pytest.raises(DataError, match="class 1 has 1 training images"):
        load_plain_data(tmp_path)
