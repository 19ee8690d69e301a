"""The contract of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from search_spaces.config import ClassLabel, Source, Task
from trainer.data.pixels import pixels_of
from trainer.data.sources.images import Images, RawData
from trainer.data.sources.read import list_source, read_source, source_files, source_statistics
from trainer.tasks.label_sets import are_sets
from trainer.testing.common import (
    check_configuration,
    demand,
    demanded,
    example_tasks,
    example_trial,
    refused,
)

UNLIKELY_LABEL = "no class has this name"


def check_source(
    config: Source, asked: Sequence[ClassLabel], data_dir: Path | None = None, *, download: bool = False
) -> None:
    """Demand that a source keeps its contract, by reading its classes `asked`, at least two.

    Images are uint8 [N, C, S, S] of one shape, that which the source says if it says one; float32 where they
    are still to be scaled by percentiles. An id is unique in its split; the same every time, with the
    classes' positions, or the columns of label sets, in the order in which they are asked for. With `groups`
    each image has one. Its labels alone tell the same classes and groups. An unknown class is a DataError,
    for labels too, and so is a missing data directory where there must be one. Its files exist. Raises
    ContractBroken.
    """
    check_configuration(config, example_trial(data=_example_task(config)))
    demand(bool(config.title), config, "a title")
    with demanded(config, f"to read {list(asked)}"):
        raw = read_source(config, asked, data_dir, download=download)
        again = read_source(config, asked, data_dir, download=False)
        turned = read_source(config, tuple(reversed(asked)), data_dir, download=False)
        listed = list_source(config, asked, data_dir, download=False)
    for name in ("train", "validation", "test"):
        images, classes = getattr(raw, name), getattr(listed, name)
        told = classes is None if images is None else np.array_equal(classes, images.classes)
        demand(told, config, f"a listing with the classes of the {name} images")
        groups = None if images is None else images.groups
        is_told = groups is None or np.array_equal(groups, listed.groups.get(name, []))
        demand(is_told, config, f"a listing with the groups of the {name} images")
        if images is None:
            demand(name != "train", config, "training images")
            continue
        _check_images(config, images, len(asked), np.uint8 if raw.percentiles is None else np.float32)
        demand(_equal(images, getattr(again, name)), config, f"the same {name} images every time")
        turned_labels = (
            images.classes[:, ::-1] if are_sets(images.classes) else len(asked) - 1 - images.classes
        )
        mirrored = replace(images, classes=turned_labels)
        demand(_equal(mirrored, getattr(turned, name)), config, "classes' positions in the asked order")
    unknown = (*asked, UNLIKELY_LABEL)
    is_error = refused(lambda: read_source(config, unknown, data_dir, download=False))
    demand(is_error, config, "DataError for an unknown class")
    is_error = refused(lambda: list_source(config, unknown, data_dir, download=False))
    demand(is_error, config, "DataError for an unknown class from its labels")
    _check_files(config, data_dir)
    _check_statistics(config, raw)


def _example_task(config: Source) -> Task:
    """A task on the source's images, whose splits are drawn as it allows."""
    task = example_tasks()[0].model_copy(update={"source": config})
    if config.groups is None:
        return task
    by_share = {"validation_per_class": None, "test_per_class": None}
    return task.model_copy(update={**by_share, "validation_share": 0.2, "test_share": 0.2})


def _check_images(config: Source, images: Images, classes: int, kind: type[np.generic]) -> None:
    pixels = pixels_of(images.pixels)
    demand(pixels.dtype == kind, config, f"pixels of type {kind.__name__}, given {pixels.dtype}")
    square = pixels.ndim == 4 and pixels.shape[2] == pixels.shape[3]
    demand(square, config, f"pixels [N, C, S, S], given {pixels.shape}")
    said = config.image_shape
    demand(said is None or said == (pixels.shape[1], pixels.shape[2]), config, f"images of the shape {said}")
    demand(len(images.classes) == len(images.ids) == len(pixels), config, "a class and an id per image")
    if config.groups is None:
        demand(images.groups is None, config, "no groups, as none were asked for")
    else:
        demand(images.groups is not None and len(images.groups) == len(pixels), config, "a group per image")
    demand(len(np.unique(images.ids)) == len(images.ids), config, "every id once")
    if are_sets(images.classes):
        is_set = images.classes.dtype == np.uint8 and images.classes.shape[1] == classes
        demand(is_set and set(np.unique(images.classes)) <= {0, 1}, config, "label sets, uint8 [N, asked]")
        demand(config.label_sets, config, "to say that its images may have several labels")
        return
    demand(set(np.unique(images.classes)) <= set(range(classes)), config, "positions among the asked classes")


def _check_files(config: Source, data_dir: Path | None) -> None:
    if not config.needs_files:
        demand(not source_files(config, None), config, "no files, as it needs none")
        return
    without = refused(lambda: read_source(config, (0, 1), None, download=False))
    demand(without, config, "DataError without a data directory")
    for path in source_files(config, data_dir):
        demand(path.is_file(), config, f"files that exist, given {path}")


def _check_statistics(config: Source, raw: RawData) -> None:
    statistics = source_statistics(config)
    if statistics is None:
        return
    mean, std = statistics
    channels = raw.train.pixels.shape[1]
    demand(len(mean) == len(std) == channels, config, f"mean and deviation of {channels} channels")
    demand(min(std) > 0, config, "deviations above 0")


def _equal(one: Images, other: Images | None) -> bool:
    if other is None:
        return False
    pairs = [(one.pixels, other.pixels), (one.classes, other.classes), (one.ids, other.ids)]
    if one.groups is not None and other.groups is not None:
        pairs.append((one.groups, other.groups))
    return all(np.array_equal(left, right) for left, right in pairs)
