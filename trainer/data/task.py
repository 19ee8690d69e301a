"""The data of a trial: its images, their split, and what each seed trains on."""

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

from search_spaces.config import Task
from search_spaces.errors import DataError
from trainer.data.copies import copies_in
from trainer.data.groups import hashed
from trainer.data.held_out import count_classes
from trainer.data.pixels import Pixels, pixels_of
from trainer.data.prepared import ClassSizes, PreparedSplits, Split, prepare_once
from trainer.data.scaling import scale_by_percentiles
from trainer.data.sources.images import Images, Origin, with_left_out
from trainer.data.sources.read import read_source, source_statistics
from trainer.data.splits import make_splits, train_counts
from trainer.data.subset import draw_subset
from trainer.tasks.base import TaskArrays, task_arrays
from trainer.tasks.label_sets import of_strata, strata

_SMALLEST_STD = 1 / 255


@dataclass(frozen=True, eq=False)
class TaskData:
    """A task's data. Tasks of one data set and the same classes share their tensors: do not write to them.

    task        what the data were read for
    splits      pool, validation and test; seeds draw their training subsets from the pool
    counts      per class, in the task's order, or per label set: how many of them a seed draws
    """

    task: Task
    splits: PreparedSplits
    counts: tuple[int, ...]
    _drawn: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def pool(self) -> Split:
        """What seeds draw their training subsets from."""
        return self.splits.pool

    @property
    def validation(self) -> Split:
        """What selects; the same for every seed."""
        return self.splits.validation

    @property
    def test(self) -> Split:
        """What selects nothing; the same for every seed."""
        return self.splits.test

    @property
    def sha256(self) -> str:
        """Of pixels, targets, ids and groups of the splits, whatever the ratio and file format."""
        return self.splits.sha256

    @property
    def image_shape(self) -> torch.Size:
        """[C, H, W] of every image."""
        return torch.Size(self.pool.pixels.shape[1:])

    @property
    def label_counts(self) -> tuple[int, ...]:
        """How many examples of each class, or with each label, a seed draws."""
        return of_strata(self.splits.strata.sets, self.counts)

    def train_indices(self, seed: int) -> Tensor:
        """Sorted positions in the pool of the subset that a seed draws, int64 [sum of counts]."""
        if seed not in self._drawn:
            drawn = draw_subset(self.pool.ids, self.splits.strata.members, self.counts, seed)
            self._drawn[seed] = torch.from_numpy(drawn)
        return self._drawn[seed]


def load_task(config: Task, data_dir: Path | None, download: bool = False) -> TaskData:
    """Read a data set and make the data of a task of it.

    Validation and test are the same for every seed, ratio and training share, so trials that differ in these
    alone share their images: decoded once per node (see `prepared`), the last two data sets kept open.

    Raises DataError if files are missing or malformed, a class is unknown, or there are too few examples.
    """
    splits = read_splits(config.whole(), data_dir, download)
    counts = train_counts(splits.sizes.train, splits.strata, config)
    return TaskData(config, splits, counts)


@lru_cache(maxsize=2)
def read_splits(config: Task, data_dir: Path | None, download: bool) -> PreparedSplits:
    """The splits that tasks share whose `whole()` is `config`; see `load_task`."""
    return prepare_once(config, data_dir, lambda: _decode(config, data_dir, download))


def _decode(config: Task, data_dir: Path | None, download: bool) -> PreparedSplits:
    raw = read_source(config.source, config.labels, data_dir, download=download)
    shapes = {part.pixels.shape[1:] for part in (raw.train, raw.validation, raw.test) if part is not None}
    if len(shapes) > 1:
        raise DataError(
            f"{config.source.title}: expected images of one shape, found {', '.join(map(str, shapes))}"
        )
    try:
        splits = make_splits(raw, config)
    except DataError as error:
        raise with_left_out(error, raw.left_out) from None
    limits = None
    if raw.percentiles is not None:
        splits, limits = scale_by_percentiles(splits, raw.percentiles, raw.depth, config)
    arrays = task_arrays(config)
    pool = _split(splits.pool, "train", arrays)
    validation = _split(splits.validation.images, splits.validation.origin, arrays)
    test = _split(splits.test.images, splits.test.origin, arrays)
    statistics = source_statistics(config.source) or channel_statistics(pool.pixels)
    return PreparedSplits(
        pool=pool,
        validation=validation,
        test=test,
        mean=statistics[0],
        std=statistics[1],
        sha256=_sha256((pool, validation, test)),
        strata=strata(splits.pool.classes, len(config.labels)),
        sizes=ClassSizes(
            train=splits.class_sizes,
            validation=count_classes(splits.validation.images.classes, config),
            test=count_classes(splits.test.images.classes, config),
        ),
        copies=(*raw.unread, *copies_in(splits)),
        limits=limits,
    )


def _split(images: Images, origin: Origin, arrays: TaskArrays) -> Split:
    targets = torch.from_numpy(arrays.targets(images.classes))
    groups = None if images.groups is None else hashed(images.groups)
    return Split(pixels_of(images.pixels), targets, images.ids, origin, groups)


def channel_statistics(pixels: Pixels | NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of uint8 images [N, C, H, W], in 0..1 units.

    The deviation is at least 1/255, so that a channel of one colour can be normalised.
    """
    values = np.arange(256) / 255
    counts = np.zeros((pixels.shape[1], 256), dtype=np.int64)
    for chunk in pixels_of(pixels).chunks():
        for channel, found in enumerate(counts):
            found += np.bincount(chunk[:, channel].reshape(-1), minlength=256)
    means, stds = [], []
    for found in counts:
        weights = found / max(int(found.sum()), 1)
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
        for chunk in split.pixels.chunks():
            digest.update(chunk.tobytes())
        digest.update(split.targets.numpy().tobytes())
        if split.groups is not None:
            digest.update("\n".join(split.groups.tolist()).encode())
    return digest.hexdigest()
