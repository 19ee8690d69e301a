"""Images of another place than a trial's data set, for its networks to score: a folder with one per class."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import ClassLabel, Groups, ImageFolder, Percentiles, Source, Task
from search_spaces.errors import DataError, InputError
from trainer.data.groups import hashed
from trainer.data.pixels import Pixels, pixels_of
from trainer.data.scaling import scaled_images
from trainer.data.sources.class_folders import class_folders, images_in, split_folders, split_of
from trainer.data.sources.class_tree import class_tree
from trainer.data.sources.depth import Limits
from trainer.data.sources.images import Images, LeftOut, Passed
from trainer.data.sources.paths import composed, name_below, readable
from trainer.data.sources.read import read_source
from trainer.tasks.base import task_arrays


@dataclass(frozen=True, eq=False)
class OtherImages:
    """Images of a folder, as a trial's networks take them.

    part        the folder that holds the class folders: the one that was named, or the test split in it
    classes     the class of the task by the class folder's name
    pixels      uint8, N of them
    targets     [N], as the task stores them
    left_out    what was passed over, and why
    groups      [N], the hashed group of each, a patient for one; None where nothing tells groups
    holder      what holds a class: a "folder"; of a table a "column", or a "label" of its lists
    """

    part: Path
    classes: Mapping[str, ClassLabel]
    pixels: Pixels
    targets: NDArray[Any]
    left_out: tuple[LeftOut, ...]
    groups: NDArray[np.str_] | None = None
    holder: str = "folder"


def is_scaled_by_its_pool(source: Source) -> bool:
    """Whether images are scaled by what a trial's own training images tell (`PreparedSplits.limits`)."""
    return isinstance(getattr(source, "scaling", None), Percentiles)


def read_other_images(
    folder: Path,
    task: Task,
    image_shape: tuple[int, int],
    given: Mapping[str, str],
    limits: Limits | None = None,
) -> OtherImages:
    """The images of a folder with a sub-folder per class; of one with splits, those of its test split.

    The class folders may stand below folders of groups: `PATIENT/benign/1.png`.

    image_shape   channels and side length to which they are brought, as the trial's were
    given         which class of the task a class folder holds, by its name; other folders hold the class
                  whose label or name they have
    limits        the values that became 0 and 255 of the trial's own images, where they are scaled so

    Folders of no class of the task are passed over. Raises DataError where the folder is missing, holds no
    class of the task, or images that cannot be read; InputError for a name in `given` that is none.
    """
    part = _scored_part(folder)
    found, groups = _class_folders(part, task, given)
    classes = _classes(part, found, task, given)
    source = _source(task.source, part.name, image_shape, groups)
    raw = read_source(source, list(classes), part.parent, download=False)
    own_groups = raw.train.groups
    return OtherImages(
        part=part,
        classes=classes,
        pixels=scaled_as(raw.train.pixels, raw.depth, limits, part),
        targets=task_arrays(task).targets(_positions(raw.train, task, list(classes.values()))),
        left_out=(*raw.left_out, *raw.unread, *_passed_over(part, found, classes)),
        groups=None if own_groups is None else hashed(own_groups),
    )


def scaled_as(images: Any, depth: str, limits: Limits | None, place: Path) -> Pixels:
    """The pixels of other images, brought to 0 to 255 as the trial's own were. Raises DataError."""
    if limits is not None and depth != limits.depth:
        raise DataError(
            f"{readable(place)}: expected {limits.depth} images as the trial's, found {depth} ones"
        )
    pixels = pixels_of(images)
    return pixels if limits is None else replace(scaled_images(pixels, limits), rows=pixels.rows)


def _scored_part(folder: Path) -> Path:
    path = Path(os.path.abspath(folder))
    if not path.is_dir():
        raise DataError(
            f"--data: expected a folder with a folder per class, found none at {readable(folder)}"
        )
    splits = split_folders(path, Passed())
    if splits.test is not None:
        return splits.test
    # Without a training split that is a class folder by its place, and a split by its name.
    tests = [inner for name, inner in class_folders(splits.train).items() if split_of(name) == "test"]
    return tests[0] if len(tests) == 1 and class_folders(tests[0]) else splits.train


def _class_folders(
    part: Path, task: Task, given: Mapping[str, str]
) -> tuple[dict[str, list[Path]], Groups | None]:
    """The folders of each class by its name, and what tells groups where they stand below those of groups.

    That is so where none of the part's own folders is a class of the task, and some in these are.
    """
    asked = {composed(name) for name in given}
    found = {name: [folder] for name, folder in class_folders(part).items()}
    if any(name in asked or _labels(name, task) for name in found):
        return found, None
    below: dict[str, list[Path]] = {}
    groups = Groups(level=1)
    for folder in class_tree(part, part, groups, (), Passed()):
        below.setdefault(folder.name, []).append(folder.path)
    if any(name in asked or _labels(name, task) for name in below):
        return below, groups
    return found, None


def _classes(
    part: Path, found: Mapping[str, Sequence[Path]], task: Task, given: Mapping[str, str]
) -> dict[str, ClassLabel]:
    """The class of the task that each folder holds, of those that hold one."""
    classes: dict[str, ClassLabel] = {}
    for theirs, ours in given.items():
        if composed(theirs) not in found:
            raise InputError(
                f"--class {theirs}={ours}: expected a class folder of {readable(part)}, found none"
            )
        classes[composed(theirs)] = class_named(ours, task, f"--class {theirs}={ours}")
    for name in found:
        if name not in classes:
            labels = _labels(name, task)
            if len(labels) == 1 and labels[0] not in classes.values():
                classes[name] = labels[0]
    if not classes:
        folders = ", ".join(map(repr, sorted(found))) or "no folder"
        raise DataError(
            f"{readable(part)}: expected folders of the classes {class_names(task)}, found {folders}; "
            "--class FOLDER=CLASS says which class a folder holds"
        )
    return classes


def class_named(word: str, task: Task, where: str) -> ClassLabel:
    """The one class of the task that a word means. Raises InputError, which begins with `where`."""
    labels = _labels(word, task)
    if len(labels) != 1:
        known = class_names(task)
        raise InputError(f"{where}: expected a class of the trial, one of {known}, given {word!r}")
    return labels[0]


def _labels(word: str, task: Task) -> list[ClassLabel]:
    """The task's classes that a word means: one of that label, or those that are called so."""
    exact = [label for label in task.labels if composed(str(label)) == composed(word)]
    named = task.source.classes_told.labels(word)
    return exact or [label for label in task.labels if label in named]


def class_names(task: Task) -> str:
    """The task's classes, as an error lists them."""
    told = task.source.classes_told
    return ", ".join(
        f"{label} ({told.name(label)})" if label in told.names else str(label) for label in task.labels
    )


def _source(trained: Source, name: str, image_shape: tuple[int, int], groups: Groups | None) -> ImageFolder:
    """The folder `name` as a source whose images are prepared as those that the trial was trained on."""
    if isinstance(trained, ImageFolder):
        source = trained
    else:
        channels, size = image_shape
        scaling = getattr(trained, "scaling", "full_range")
        given = {"folder": "images", "channels": channels, "size": size, "scaling": scaling}
        source = ImageFolder.model_validate(given)
    # Unlike one that a space names, it may be called anything.
    return source.model_copy(update={"folder": name, "groups": groups})


def _positions(images: Images, task: Task, classes: Sequence[ClassLabel]) -> NDArray[np.int64]:
    """Position of each image's class among the task's classes."""
    places = np.array([task.labels.index(label) for label in classes], dtype=np.int64)
    return places[images.classes]


def _passed_over(
    part: Path, found: Mapping[str, Sequence[Path]], classes: Mapping[str, ClassLabel]
) -> tuple[LeftOut, ...]:
    """The images in folders that hold no class of the task."""
    passed = Passed()
    for name, folders in sorted(found.items()):
        if name in classes:
            continue
        for folder in folders:
            for image in images_in(folder, part, Passed()):
                passed.add("images in folders of no class of the trial", name_below(part, image))
    return passed.left_out()
