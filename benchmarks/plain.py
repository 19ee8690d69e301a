"""The usual way to train CIFAR-10 automobile against truck: a baseline that benchmarks measure against.

A PyTorch loop as a careful user would write it: PIL images, torchvision transforms, a DataLoader; one process
trains one replicate, and replicates run one after another. It shares no code with the trainer, other than
the import of torchvision. With `tuned_settings` it is the same loop, made faster by the usual means.
It keeps no checkpoint and never stops early: a benchmark wants a fixed number of epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.plain_constraint import LoopedConstraint, PlainConstraint, VectorisedConstraint
from benchmarks.plain_images import PlainData, PlainDataset
from benchmarks.plain_resnet import ResNet10

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


# On a CPU torch 2.13 writes beside its memory in the backward pass of strided 1 x 1 convolutions of fewer
# channels in channels-last, and the process may end: with AVX2 on one thread, with AVX-512 on several.
NARROWEST_CHANNELS_LAST = 16


def tuned_settings(device: str, threads: int, *, width: int, cores: int, bf16: bool) -> PlainSettings:
    """The tuned variant's settings for `device` with `threads` torch threads on a machine of `cores`.

    `width` is the network's.

    Chosen by measurement on a CPU without bf16 instructions: channels_last gains 30 % at width 16 and some at
    64, bf16 halves the speed (ask for it where the CPU has them), a loader process makes 2,000 to 3,000
    images/s where a thread trains about 500, so one for two threads is enough. `torch.compile` took a minute
    to compile and gained nothing at width 16. The choices for CUDA are customary ones, not measured.
    """
    if device == "cuda":
        workers = min(12, max(1, cores - 1))
    else:
        workers = min(8, (threads + 1) // 2) if cores > 1 else 0
    return PlainSettings(
        workers=workers,
        pinned_memory=True,
        bf16=bf16,
        channels_last=device == "cuda" or width >= NARROWEST_CHANNELS_LAST,
        validation_batch=256,
        vectorised_constraint=True,
        fused_sgd=True,
        cudnn_benchmark=True,
    )


class PlainTrainer:
    """Network, optimiser, constraint and loaders of one replicate."""

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
