"""CIFAR-10 automobile against truck as PIL images, and the Dataset that augments them one by one."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from search_spaces.errors import DataError
from trainer.torchvision_import import import_torchvision_datasets

AUTOMOBILE, TRUCK = 1, 9
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True)
class PlainData:
    """RGB images of 32x32 pixels, and their labels: 1 = positive (truck), 0 = negative (automobile)."""

    train_images: list[Image.Image]
    train_labels: list[int]
    validation_images: list[Image.Image]
    validation_labels: list[int]


def load_plain_data(folder: Path | str, ratio: int = 100, seed: int = 1) -> PlainData:
    """Read `folder`/train.parquet (columns `img.bytes`, `label`) into the 1:`ratio` task.

    100 images per class are validation, the same for every seed. `seed` draws 90 % of the other automobiles
    (4,410 of CIFAR-10's) and that number / `ratio` trucks. Raises DataError if there are too few images.
    """
    table = parquet.read_table(Path(folder) / "train.parquet")
    labels = np.asarray(table["label"])
    fixed, drawn = np.random.default_rng(0), np.random.default_rng(seed)
    chosen: dict[str, list[tuple[int, int]]] = {"train": [], "validation": []}
    negatives = 0
    for target, label in enumerate((AUTOMOBILE, TRUCK)):
        rows = fixed.permutation(np.flatnonzero(labels == label))
        held_out, rest = rows[:100], rows[100:]
        count = len(rest) * 9 // 10 if target == 0 else negatives // ratio
        if not 0 < count <= len(rest):
            raise DataError(
                f"{folder}: class {label} has {len(rest)} training images, 1:{ratio} asks for {count}"
            )
        negatives = count if target == 0 else negatives
        chosen["validation"] += [(int(row), target) for row in held_out]
        chosen["train"] += [(int(row), target) for row in drawn.choice(rest, count, replace=False)]

    def images(split: str) -> list[Image.Image]:
        column = table["img"].take([row for row, _ in chosen[split]]).to_pylist()
        return [Image.open(io.BytesIO(cell["bytes"])).convert("RGB") for cell in column]

    train_labels, validation_labels = ([target for _, target in chosen[s]] for s in ("train", "validation"))
    return PlainData(images("train"), train_labels, images("validation"), validation_labels)


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
