"""The plain baseline trains, and computes the constraint of the paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.plain import PlainSettings, PlainTrainer, tuned_settings
from benchmarks.plain_constraint import LoopedConstraint, PlainConstraint, VectorisedConstraint
from benchmarks.plain_images import PlainData
from benchmarks.plain_resnet import ResNet10

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


def train(
    data: PlainData,
    constraint: PlainConstraint | None,
    settings: PlainSettings,
    epochs: int,
    width: int = 4,
) -> tuple[list[float], float]:
    """Mean losses of the epochs, and the validation AUROC after the last one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        trainer = PlainTrainer(data, width, constraint, CPU, settings)
        losses = [trainer.train_epoch() for _ in range(epochs)]
        return losses, trainer.validate()


# Python 3.12 and later warn of a fork beside running threads, which is how a loader starts its workers.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("variant", ["plain", "tuned", "tuned, bf16"])
def test_each_variant_learns_with_the_constraint(bright_or_dark: PlainData, variant: str) -> None:
    settings, width = PlainSettings(), 4  # a processor without bf16 instructions is slow at it: narrow
    if variant == "tuned":
        width = 16  # the narrowest in channels-last
    if variant != "plain":
        settings = tuned_settings("cpu", 1, width=width, cores=2, bf16=variant == "tuned, bf16")
        assert settings.channels_last == (width == 16)
    losses, auroc = train(bright_or_dark, PlainConstraint(penalty=1e-4), settings, 4, width)
    assert losses[-1] < losses[0]
    assert auroc > 0.95


def test_the_vectorised_constraint_trains_as_the_looped_one(bright_or_dark: PlainData) -> None:
    """And neither as without the constraint: it is felt."""
    constraint = PlainConstraint(penalty=1e-2, margin=0.5)
    looped, _ = train(bright_or_dark, constraint, PlainSettings(), epochs=2)
    vectorised, _ = train(bright_or_dark, constraint, PlainSettings(vectorised_constraint=True), epochs=2)
    without, _ = train(bright_or_dark, None, PlainSettings(), epochs=1)
    assert vectorised == pytest.approx(looped, rel=1e-3)
    assert looped[0] > 1.01 * without[0]


@pytest.mark.parametrize(
    ("device", "threads", "cores", "workers"),
    [
        ("cpu", 1, 1, 0),
        ("cpu", 1, 2, 1),
        ("cpu", 4, 4, 2),
        ("cpu", 64, 64, 8),
        ("cuda", 1, 1, 1),
        ("cuda", 8, 64, 12),
    ],
)
def test_loader_processes_follow_threads_and_cores(
    device: str, threads: int, cores: int, workers: int
) -> None:
    full = tuned_settings(device, threads, width=16, cores=cores, bf16=False)
    assert full.workers == workers
    assert tuned_settings(device, threads, width=16, cores=cores, bf16=True) == replace(full, bf16=True)


def test_narrow_networks_are_not_in_channels_last_on_a_cpu() -> None:
    """Their backward pass would end the process, by processor with one thread or with several."""
    for device, width, expected in (("cpu", 15, False), ("cpu", 16, True), ("cuda", 8, True)):
        found = tuned_settings(device, 1, width=width, cores=2, bf16=False)
        assert found.channels_last == expected


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
