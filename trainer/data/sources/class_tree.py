"""Where the folders of classes lie: in a data set's folder, or above or below those of groups."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from search_spaces.config import Groups
from trainer.data.sources.class_folders import class_folders, loose_images, subfolders
from trainer.data.sources.faults import Malformed
from trainer.data.sources.images import Passed
from trainer.data.sources.paths import composed


class ClassFolder(NamedTuple):
    """A folder with images of a class.

    name    the class's, in composed form
    path    where it lies
    group   the name of the folder that tells the group; None where no folder does
    """

    name: str
    path: Path
    group: str | None = None


def class_tree(
    split: Path, root: Path, groups: Groups | None, asked: Collection[str], passed: Passed
) -> list[ClassFolder]:
    """The folders of all classes of a split, in the order of their paths.

    Without a level of groups they lie in the split's folder. With one, group folders stand above them,
    `PATIENT/class/image`; or below, `class/PATIENT/image`, where the level is at least 2 and the split's own
    folders have the names of all asked classes. Images that lie higher are counted in `passed`.
    Raises Malformed where a folder cannot be listed.
    """
    loose_images(split, root, passed)
    level = None if groups is None else groups.level
    top = class_folders(split)
    if level is None:
        return [ClassFolder(name, path) for name, path in top.items()]
    if level > 1 and set(asked) <= top.keys():
        return list(_groups_below(top, level, root, asked, passed))
    return list(_groups_above(split, level, root, passed))


def folders_with_images(split: Path, groups: Groups | None) -> Iterator[Path]:
    """Every folder of a split that may hold images of any class, whichever are asked for.

    Folders that cannot be listed count as empty.
    """
    level = None if groups is None else groups.level
    if level is None:
        yield from class_folders(split).values()
        return
    for folder in _at_depth(split, level, is_lenient=True):
        yield folder
        yield from _listed(folder, is_lenient=True)


def _groups_above(split: Path, level: int, root: Path, passed: Passed) -> Iterator[ClassFolder]:
    for depth in range(1, level + 1):
        for folder in _at_depth(split, depth):
            loose_images(folder, root, passed)
    for group in _at_depth(split, level):
        for name, path in class_folders(group).items():
            yield ClassFolder(name, path, composed(group.name))


def _groups_below(
    top: dict[str, Path], level: int, root: Path, asked: Collection[str], passed: Passed
) -> Iterator[ClassFolder]:
    for name, folder in top.items():
        if name not in asked:
            yield ClassFolder(name, folder)
            continue
        for depth in range(level - 1):
            for inner in _at_depth(folder, depth):
                loose_images(inner, root, passed, "images beside the folders of groups")
        for path in _at_depth(folder, level - 1):
            yield ClassFolder(name, path, composed(path.name))


def _at_depth(folder: Path, depth: int, *, is_lenient: bool = False) -> Iterator[Path]:
    """The folders so many levels below a folder; it itself at 0."""
    if depth == 0:
        yield folder
        return
    for inner in _listed(folder, is_lenient=is_lenient):
        yield from _at_depth(inner, depth - 1, is_lenient=is_lenient)


def _listed(folder: Path, *, is_lenient: bool) -> list[Path]:
    if not is_lenient:
        return subfolders(folder)
    with contextlib.suppress(Malformed):
        return subfolders(folder)
    return []
