"""CIFAR-10 automobile against truck as PIL images, and the Dataset that augments them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from trainer.compat import import_torchvision_datasets

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True)
class PlainData:
    """RGB images of 32x32 pixels, and their labels: 1 = positive (truck), 0 = negative (automobile)."""

    train_images: list[Image.Image]
    train_labels: list[int]
    validation_images: list[Image.Image]
    validation_labels: list[int]


class PlainDataset(Dataset[tuple[Tensor, int, int]]):
    """Images of a list, transformed when they are asked for; an item is (image, label, its index)."""

    def __init__(self, images: list[Image.Image], labels: list[int], *, augment: bool) -> None:
        import_torchvision_datasets()
        from torchvision import transforms

        steps: list[Any] = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        if augment:
            steps = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *steps]
        self.transform = transforms.Compose(steps)
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        return self.transform(self.images[index]), self.labels[index], index
