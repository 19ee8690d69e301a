"""The binary task of a trial: its images, split, and what each seed trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search_spaces.config import DataConfig
from search_spaces.errors import DataError
from trainer.data.prepared import PreparedSplits, Split, prepare_once
from trainer.data.sources.images import Images, Origin
from trainer.data.sources.read import read_source, source_statistics
from trainer.data.splits import make_splits
from trainer.data.subset import class_counts, draw_subset

_SMALLEST_STD = 1 / 255


@dataclass(frozen=True, eq=False)
class BinaryTask:
    """A binary task. Tasks of one data set and the same roles share their tensors: do not write to them.

    pool                        what seeds draw their training subsets from
    mean, std                   per channel, in 0..1 units
    sha256                      of pixels, targets and ids of the splits, whatever the ratio and file format
    removed_from_pool           training images left out as copies of validation or test images
    removed_from_validation     images of the own validation split left out as copies of test images
    members                     per class, negative then positive: its positions in the pool
    counts                      per class: how many of them a seed draws
    """

    pool: Split
    validation: Split
    test: Split
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str
    removed_from_pool: int
    removed_from_validation: int
    members: tuple[NDArray[np.int64], ...]
    counts: tuple[int, ...]
    _drawn: dict[int, Tensor] = field(default_factory=dict, repr=False)

    def train_indices(self, seed: int) -> Tensor:
        """Sorted positions in the pool of the subset that a seed draws, int64 [negatives + positives]."""
        if seed not in self._drawn:
            drawn = draw_subset(self.pool.ids, self.members, self.counts, seed)
            self._drawn[seed] = torch.from_numpy(drawn)
        return self._drawn[seed]


def load_task(config: DataConfig, data_dir: Path | None, download: bool = False) -> BinaryTask:
    """Read a data set and make the binary task of it (reference, section 3).

    Validation and test are the same for every seed, ratio and training share, so trials that differ in these
    alone share their images: decoded once per node (see `prepared`), the last two data sets kept open.

    Raises DataError if files are missing or malformed, a class is unknown, or there are too few examples.
    """
    read = _read_splits(_without_ratio(config), data_dir, download)
    counts = class_counts(config, read.class_sizes, [len(m) for m in read.members])
    return BinaryTask(
        pool=read.pool,
        validation=read.validation,
        test=read.test,
        channels=read.pool.pixels.shape[1],
        mean=read.mean,
        std=read.std,
        sha256=read.sha256,
        removed_from_pool=read.removed_from_pool,
        removed_from_validation=read.removed_from_validation,
        members=read.members,
        counts=counts,
    )


def _without_ratio(config: DataConfig) -> DataConfig:
    return config.model_copy(update={"imbalance_ratio": None, "train_share": 1.0})


@lru_cache(maxsize=2)
def _read_splits(config: DataConfig, data_dir: Path | None, download: bool) -> PreparedSplits:
    return prepare_once(config, data_dir, lambda: _decode(config, data_dir, download))


def _decode(config: DataConfig, data_dir: Path | None, download: bool) -> PreparedSplits:
    roles = config.negative + config.positive
    raw = read_source(config.source, roles, data_dir, download=download)
    shapes = {part.pixels.shape[1:] for part in (raw.train, raw.validation, raw.test) if part is not None}
    if len(shapes) > 1:
        raise DataError(
            f"{config.source.title}: expected images of one shape, found {', '.join(map(str, shapes))}"
        )
    splits = make_splits(raw, config)
    pool = _tensors(splits.pool, "train", config)
    validation = _tensors(splits.validation.images, splits.validation.origin, config)
    test = _tensors(splits.test.images, splits.test.origin, config)
    statistics = source_statistics(config.source) or channel_statistics(splits.pool.pixels)
    return PreparedSplits(
        pool=pool,
        validation=validation,
        test=test,
        mean=statistics[0],
        std=statistics[1],
        sha256=_sha256((pool, validation, test)),
        removed_from_pool=splits.removed,
        removed_from_validation=splits.validation.removed,
        members=tuple(np.flatnonzero(splits.pool.classes == index) for index in range(len(roles))),
        class_sizes=splits.class_sizes,
    )


def _tensors(images: Images, origin: Origin, config: DataConfig) -> Split:
    targets = (images.classes >= len(config.negative)).astype(np.uint8)
    return Split(torch.from_numpy(images.pixels), torch.from_numpy(targets), images.ids, origin)


def channel_statistics(pixels: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of uint8 images [N, C, H, W], in 0..1 units.

    The deviation is at least 1/255, so that a channel of one colour can be normalised.
    """
    values = np.arange(256) / 255
    means, stds = [], []
    for channel in range(pixels.shape[1]):
        weights = np.bincount(pixels[:, channel].reshape(-1), minlength=256) / max(pixels[:, channel].size, 1)
        mean = float(weights @ values)
        means.append(mean)
        stds.append(max(float(np.sqrt(weights @ (values - mean) ** 2)), _SMALLEST_STD))
    return tuple(means), tuple(stds)


def _sha256(splits: Sequence[Split]) -> str:
    digest = hashlib.sha256()
    for split in splits:
        shape = "x".join(map(str, split.pixels.shape))
        ids = "\n".join(map(str, split.ids.tolist()))
        digest.update(f"{split.origin}\n{shape}\n{ids}\n".encode())
        digest.update(split.pixels.numpy().tobytes())
        digest.update(split.targets.numpy().tobytes())
    return digest.hexdigest()
