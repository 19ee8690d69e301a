"""Which images a folder of class folders holds: their names, classes and groups, before one is decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Groups
from search_spaces.errors import DataError
from trainer.data.sources.class_folders import (
    SPLIT_NAMES,
    class_folders,
    images_in,
    split_folders,
    split_of,
    subfolders,
)
from trainer.data.sources.class_tree import ClassFolder, class_tree
from trainer.data.sources.faults import Malformed
from trainer.data.sources.groups import GroupFinder, group_array
from trainer.data.sources.images import Passed
from trainer.data.sources.paths import name_below, readable


class Entry(NamedTuple):
    """An image: its id, the position of its class among the asked ones, its file, its group if it has one."""

    image_id: str
    position: int
    path: Path
    group: str = ""


def entries_of(
    split: Path, root: Path, asked: Sequence[str], passed: Passed, finder: GroupFinder | None
) -> list[Entry]:
    """The images of the asked classes in a split's folder, by id; `finder` tells their groups.

    The images of other classes are counted in `passed`. Raises DataError for a class that is not there.
    """
    groups = None if finder is None else finder.groups
    folders = class_tree(split, root, groups, asked, passed)
    _check_known(asked, sorted({folder.name for folder in folders}), split, groups)
    entries = []
    for position, name in enumerate(asked):
        for folder in folders:
            if folder.name == name:
                entries += _entries_in(folder, position, root, passed, finder)
    for folder in sorted(folders):
        if folder.name not in asked:
            _pass_over_class(folder.path, root, passed)
    return sorted(entries)


def classes_of(entries: Sequence[Entry]) -> NDArray[np.int64]:
    """The position of each image's class among the asked ones [N]."""
    return np.array([entry.position for entry in entries], dtype=np.int64)


def groups_of(entries: Sequence[Entry]) -> NDArray[np.str_]:
    """The group of each image [N]."""
    return group_array(entry.group for entry in entries)


def _entries_in(
    folder: ClassFolder, position: int, root: Path, passed: Passed, finder: GroupFinder | None
) -> list[Entry]:
    entries = []
    for path in images_in(folder.path, root, passed):
        image_id, group = name_below(root, path), ""
        if finder is not None:
            group = finder.group_of(folder.group or path.name, image_id)
        entries.append(Entry(image_id, position, path, group))
    return entries


def _pass_over_class(folder: Path, root: Path, passed: Passed) -> None:
    """Count the images of a class that was not asked for; what else lies there is no concern of anybody."""
    with contextlib.suppress(Malformed):
        for path in images_in(folder, root, Passed()):
            passed.add("images of classes that are not named", name_below(root, path))


def _check_known(asked: Sequence[str], known: Sequence[str], split: Path, groups: Groups | None) -> None:
    unknown = [name for name in asked if name not in known]
    if not unknown:
        return
    below = ""
    if groups is not None and groups.level is not None:
        below = f", below the folders of source.groups.level {groups.level}"
    message = (
        f"{readable(split)}: unknown class label {', '.join(map(repr, unknown))}{below}; "
        f"known: {', '.join(map(repr, known)) or 'none, as there is no folder'}"
    )
    elsewhere = [readable(folder) for folder in subfolders(split) if _holds(folder, asked)]
    if elsewhere:
        message += f"; there are such folders in {' and '.join(elsewhere[:2])}"
    if any(split_of(name) for name in known):
        names = "; ".join(f"{split}: {', '.join(names)}" for split, names in SPLIT_NAMES.items())
        message += f" (folders of splits, in any case, are called {names})"
    raise DataError(message)


def _holds(folder: Path, asked: Sequence[str]) -> bool:
    """Whether a folder has all asked class folders, in itself or in its training split."""
    try:
        return set(asked) <= class_folders(split_folders(folder, Passed()).train).keys()
    except Malformed:
        return False
