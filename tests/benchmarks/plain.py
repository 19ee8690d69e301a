"""The usual way to train CIFAR-10 automobile against truck: a baseline that benchmarks measure against.

A PyTorch loop as a careful user would write it: PIL images, torchvision transforms, a DataLoader; one process
trains one replicate, and replicates run one after another. It shares no code with the trainer, other than
the import of torchvision. `tuned=True` is the same loop with the usual means of making it faster.
It keeps no checkpoint and never stops early: a benchmark wants a fixed number of epochs.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tests.benchmarks.plain_constraint import LoopedConstraint, PlainConstraint, VectorisedConstraint
from tests.benchmarks.plain_images import PlainData, PlainDataset, load_plain_data
from tests.benchmarks.plain_resnet import ResNet10

__all__ = [
    "PlainConstraint",
    "PlainData",
    "PlainResult",
    "PlainSettings",
    "load_plain_data",
    "run_plain",
    "tuned_settings",
]

BATCH = 64


@dataclass(frozen=True)
class PlainSettings:
    """What the tuned variant changes; the defaults are the plain variant.

    `workers` are loader processes (kept between epochs; 0 loads in the training process); pinned memory is
    used with CUDA only; `bf16` is autocast.
    """

    workers: int = 0
    pinned_memory: bool = False
    bf16: bool = False
    channels_last: bool = False
    validation_batch: int = 1
    vectorised_constraint: bool = False
    fused_sgd: bool = False
    cudnn_benchmark: bool = False


@dataclass(frozen=True)
class PlainResult:
    """Counts of images over all epochs, seconds of either part, and one AUROC (0 to 1) per epoch.

    `train_seconds` holds the start of the loader's workers in the first epoch. `peak_memory_bytes` is what
    tensors took at most on the device with CUDA; without, the highest resident size of this process since
    its start, its workers not counted: run one replicate in a process of its own to read it.
    """

    train_images: int
    train_seconds: float
    validation_images: int
    validation_seconds: float
    validation_auroc: list[float]
    train_loss: list[float]
    peak_memory_bytes: int
    settings: PlainSettings


def tuned_settings(device: str, threads: int) -> PlainSettings:
    """The tuned variant's settings for `device` with `threads` torch threads.

    Chosen by measurement on a CPU without bf16 instructions: channels_last gains 30 % at width 16 and some at
    64, bf16 halves the speed (it is on where the CPU has it), a loader process makes 2,000 to 3,000 images/s
    where a thread trains about 500, so one for two threads is enough. `torch.compile` took a minute to
    compile and gained nothing at width 16. The choices for CUDA are customary ones, not measured.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    if torch.device(device).type == "cuda":
        workers, bf16 = min(12, max(1, cores - 1)), True
    else:
        # Asked for by name, since torch 2.11 may lack it.
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        workers = min(8, (threads + 1) // 2) if cores > 1 else 0
        bf16 = any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
    return PlainSettings(
        workers=workers,
        pinned_memory=True,
        bf16=bf16,
        channels_last=True,
        validation_batch=256,
        vectorised_constraint=True,
        fused_sgd=True,
        cudnn_benchmark=True,
    )


@contextmanager
def _torch_state(device: torch.device, seed: int, threads: int, benchmark: bool) -> Iterator[None]:
    """Seed torch and set its threads for the block; put the caller's state back after it."""
    before = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.backends.cudnn.benchmark = before[1]


class PlainTrainer:
    """Network, optimiser, constraint and loaders of one replicate; its order of work is `run_plain`."""

    def __init__(
        self,
        data: PlainData,
        width: int,
        constraint: PlainConstraint | None,
        device: torch.device,
        settings: PlainSettings,
    ) -> None:
        self.device, self.bf16 = device, settings.bf16
        self.layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.network = ResNet10(width).to(device=device)
        self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=0.01, momentum=0.9, weight_decay=2e-4, fused=settings.fused_sgd
        )
        kind = VectorisedConstraint if settings.vectorised_constraint else LoopedConstraint
        self.constraint = kind(constraint, len(data.train_images), device) if constraint else None
        pinned = settings.pinned_memory and device.type == "cuda"
        self.train_loader = DataLoader(
            PlainDataset(data.train_images, data.train_labels, augment=True),
            batch_size=BATCH,
            shuffle=True,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            pin_memory=pinned,
        )
        validation = PlainDataset(data.validation_images, data.validation_labels, augment=False)
        self.validation_loader = DataLoader(
            validation, batch_size=settings.validation_batch, pin_memory=pinned
        )

    def scores(self, images: Tensor) -> Tensor:
        """Logits [B], float32, of images [B, 3, 32, 32]."""
        images = images.to(self.device, memory_format=self.layout, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits: Tensor = self.network(images)
        return logits.float()

    def train_epoch(self) -> float:
        """One pass over the training images; the mean loss, the constraint's term included."""
        self.network.train()
        total, count = torch.zeros((), device=self.device), 0
        for images, labels, indices in self.train_loader:
            labels = labels.to(self.device, non_blocking=True)
            indices = indices.to(self.device, non_blocking=True)
            self.optimizer.zero_grad()
            scores = self.scores(images)
            loss = self.criterion(scores, labels.float())
            if self.constraint is not None:
                loss = loss + self.constraint.term(scores, labels, indices)
            loss.backward()
            self.optimizer.step()
            if self.constraint is not None:
                self.constraint.update()
            total += loss.detach() * len(labels)
            count += len(labels)
        return total.item() / count

    @torch.no_grad()
    def validate(self) -> float:
        """AUROC (0 to 1) of the validation images."""
        self.network.eval()
        targets: list[int] = []
        scores: list[float] = []
        for images, labels, _ in self.validation_loader:
            scores += self.scores(images).tolist()
            targets += labels.tolist()
        return float(roc_auc_score(targets, scores))


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def run_plain(
    images: PlainData,
    *,
    width: int,
    constraint: PlainConstraint | None,
    epochs: int,
    device: str,
    seed: int,
    threads: int,
    tuned: bool = False,
    settings: PlainSettings | None = None,
) -> PlainResult:
    """Train one replicate for `epochs` epochs, validating after each, and say how long both took.

    `width` is the channels of the first stage (64 in the paper), `device` "cpu" or "cuda", `threads` torch's
    threads. `tuned` takes `tuned_settings`, whose loader processes come on top of `threads`; `settings`
    overrides both variants. The caller's random state and thread count are put back.
    """
    place = torch.device(device)
    chosen = settings or (tuned_settings(device, threads) if tuned else PlainSettings())
    train_seconds = validation_seconds = 0.0
    aurocs: list[float] = []
    losses: list[float] = []
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    with _torch_state(place, seed, threads, chosen.cudnn_benchmark):
        trainer = PlainTrainer(images, width, constraint, place, chosen)
        for _ in range(epochs):
            start = time.perf_counter()
            losses.append(trainer.train_epoch())  # ends with .item(), which waits for CUDA
            middle = time.perf_counter()
            aurocs.append(trainer.validate())
            end = time.perf_counter()
            train_seconds, validation_seconds = (
                train_seconds + middle - start,
                validation_seconds + end - middle,
            )
            if trainer.constraint is not None:
                trainer.constraint.end_epoch(aurocs[-1])
    return PlainResult(
        train_images=epochs * len(images.train_images),
        train_seconds=train_seconds,
        validation_images=epochs * len(images.validation_images),
        validation_seconds=validation_seconds,
        validation_auroc=aurocs,
        train_loss=losses,
        peak_memory_bytes=_peak_memory(place),
        settings=chosen,
    )
