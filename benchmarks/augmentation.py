"""What augmentation costs of a training step: `python -m benchmarks.augmentation`.

A step is the forward and backward pass of ResNet-10 and SGD, on random 3 x 32 x 32 images, channels last as
in the trainer. Step and augmentations take turns, and the times are medians over the rounds; the share is
that of both together. With `--kornia` (`pip install kornia`) its batched augmentations take turns too.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from search_spaces.config import AugmentationConfig, ResNet10
from search_spaces.policies import POLICIES
from trainer.data.augmentation import Augmenter
from trainer.models.build import build_model

CHANNELS, SIDE = 3, 32
METHOD = "flip_rotate_affine_jitter"
Work = Callable[[], object]


def step_work(width: int, batch: int) -> Work:
    """One training step of ResNet-10."""
    generator = torch.Generator().manual_seed(0)
    model = build_model(
        ResNet10(width=width), channels=CHANNELS, outputs=1, image_size=SIDE, generator=generator
    )
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(batch, CHANNELS, SIDE, SIDE, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    targets = (torch.arange(batch) % 2).float()

    def work() -> None:
        optimizer.zero_grad()
        loss = binary_cross_entropy_with_logits(model(images)[:, 0], targets)
        loss.backward()
        optimizer.step()

    return work


def augmentation_work(config: AugmentationConfig, batch: int) -> Work:
    """One batch, drawn, gathered, augmented and normalised."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (4 * batch, CHANNELS, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    augmenter = Augmenter(pixels, config, [0.5] * CHANNELS, [0.25] * CHANNELS)

    def work() -> Tensor:
        indices = torch.randint(len(pixels), (batch,), generator=generator)
        return augmenter.train_batch(indices, augmenter.draw(batch, generator))

    return work


def kornia_work(batch: int) -> Work:
    """The same four steps by kornia, each with probability 0.3, on float images."""
    k: Any = importlib.import_module("kornia.augmentation")
    steps = k.AugmentationSequential(
        k.RandomHorizontalFlip(p=0.3),
        k.RandomRotation(15.0, p=0.3),
        k.RandomAffine(0.0, translate=(0.1, 0.1), scale=(0.9, 1.1), p=0.3),
        k.ColorJitter(0.2, 0.2, 0.2, 0.05, p=0.3),
    )
    images = torch.rand(batch, CHANNELS, SIDE, SIDE)
    return lambda: steps(images)


def medians(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Seconds of each work: the median over the rounds, in which all take turns, after a first one."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in times.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print a line per augmentation."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kornia", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    works = {"step": step_work(options.width, options.batch)}
    for name, config in POLICIES.items():
        works[name] = augmentation_work(config, options.batch)
    if options.kornia:
        works[f"kornia's {METHOD}"] = kornia_work(options.batch)
    seconds = medians(works, options.rounds)
    step = seconds.pop("step")
    print(
        f"training step, width {options.width}, batch {options.batch}, {options.threads} threads: "
        f"{1000 * step:.2f} ms"
    )
    for name, took in seconds.items():
        print(f"{name:<34}{1000 * took:7.2f} ms  {100 * took / (step + took):5.1f} % of both")


if __name__ == "__main__":
    main()
