"""Images of another place than a trial's data set, as a table lists them with their labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from search_spaces.config import ClassLabel, Groups, Manifest, Source, Task
from search_spaces.errors import DataError, InputError
from trainer.data.groups import hashed
from trainer.data.other_images import OtherImages, class_named, class_names, scaled_as
from trainer.data.sources.depth import Limits
from trainer.data.sources.groups import GroupFinder
from trainer.data.sources.images import LeftOut, Passed
from trainer.data.sources.manifest import ManifestReader
from trainer.data.sources.manifest_labels import labels_in_lists
from trainer.data.sources.manifest_table import TABLE_ENDINGS, Table, read_tables
from trainer.data.sources.paths import composed, readable
from trainer.tasks.base import task_arrays


def read_other_table(
    place: Path,
    task: Task,
    image_shape: tuple[int, int],
    given: Mapping[str, str],
    limits: Limits | None = None,
) -> OtherImages:
    """All images of a table, or of the one table in a folder, as a trial with label sets takes them.

    Paths of images are those below the table's folder. Columns are called as those of the trial's own table,
    where it has one; else `image`, and a column per label. Images belong to groups where the trial's do, and
    this table tells them. Splits that it tells are not asked for.
    Names in lists that are no label of the task are passed over, and told in `left_out`; a label that stands
    in no list is not in `classes`, and no image has it.

    image_shape   channels and side length to which they are brought, as the trial's were
    given         which label of the task a column holds, or a name in lists; others hold the label of their
                  own name
    limits        the values that became 0 and 255 of the trial's own images, where they are scaled so

    Raises DataError where there is no table, where it lacks a column, and for images that cannot be read
    unless the trial's own are skipped; InputError for a label in `given` that is none.
    """
    path = _table(place)
    source = _as_trained(task.source, path.name, image_shape)
    tables = read_tables(source, path.parent)
    source = source.model_copy(update={"groups": _groups(task.source.groups, source, tables)})
    known = _known(source, tables)
    classes = _classes(source, known, task, given)
    # A label that none of these images has leaves its metrics undefined, which is said with them.
    raw = ManifestReader(source, may_lack_labels=True).read(list(classes), path.parent, download=False)
    images = raw.train
    held = {name: label for name, label in classes.items() if name in known}
    groups = None if images.groups is None else hashed(images.groups)
    holder = "column" if source.labels is None else "label"
    return OtherImages(
        part=path,
        classes=held,
        pixels=scaled_as(images.pixels, raw.depth, limits, path),
        targets=task_arrays(task).targets(images.classes),
        left_out=(*raw.left_out, *raw.unread, *_labels_of_no_class(source, known - set(classes))),
        groups=groups,
        holder=holder,
    )


def _table(place: Path) -> Path:
    path = Path(os.path.abspath(place))
    if path.is_file() and path.suffix.lower() in TABLE_ENDINGS:
        return path
    expected = f"--data: expected a table of images with labels ({' or '.join(TABLE_ENDINGS)})"
    if not path.is_dir():
        raise DataError(f"{expected}, or a folder with one, found none at {readable(path)}")
    tables = sorted(one for one in path.iterdir() if one.suffix.lower() in TABLE_ENDINGS and one.is_file())
    if len(tables) != 1:
        found = ", ".join(readable(one.name) for one in tables) or "none"
        raise DataError(f"{expected}, one in the folder {readable(path)} or named itself, found {found}")
    return tables[0]


def _as_trained(trained: Source, name: str, image_shape: tuple[int, int]) -> Manifest:
    """The table `name` as a source whose images are prepared as those that the trial was trained on."""
    if isinstance(trained, Manifest):
        # Its own folder and splits are those of the trial's data.
        return trained.model_copy(update={"file": name, "folder": None, "split": None, "groups": None})
    channels, size = image_shape
    return Manifest(file=name, channels=3 if channels == 3 else 1, size=size)


def _groups(trained: Groups | None, source: Manifest, tables: Sequence[Table]) -> Groups | None:
    """What tells the groups of the trial's images, where this table tells any by it."""
    if trained is None:
        return None
    if trained.column is not None:
        return trained if all(trained.column in table.columns for table in tables) else None
    if trained.pattern is None:
        return None
    finder = GroupFinder(source.model_copy(update={"groups": trained}))
    names = [name for table in tables for name in table.names]
    return trained if any(finder.group_of(Path(name).name, name) for name in names) else None


def _classes(
    source: Manifest, known: Set[str], task: Task, given: Mapping[str, str]
) -> dict[str, ClassLabel]:
    """The label of the task that each column holds, or each name in lists, in the task's order.

    `known` are the names that there are; a label that stands in no list has its own.
    """
    found: dict[ClassLabel, str] = {}
    for theirs, ours in given.items():
        where = f"--class {theirs}={ours}"
        if composed(theirs) not in known:
            holder = "a column" if source.labels is None else "a label"
            raise InputError(f"{where}: expected {holder} of {source.file}, found none")
        label = class_named(ours, task, where)
        if label in found:
            raise InputError(f"{where}: expected each label once, given {label} again")
        found[label] = composed(theirs)
    for label in task.labels:
        if label not in found:
            names = {composed(str(label)), composed(task.source.classes_told.name(label))}
            there = sorted(names & known)
            if there:
                found[label] = there[0]
            elif source.labels is not None:
                found[label] = composed(str(label))
    # Two labels may not be read of one column.
    if len(set(found.values())) < len(task.labels) or not set(found.values()) & known:
        raise DataError(
            f"{source.file}: expected columns of the labels {class_names(task)}, found "
            f"{', '.join(map(repr, sorted(known)))}; --class COLUMN=LABEL says which label a column holds"
        )
    return {found[label]: label for label in task.labels}


def _known(source: Manifest, tables: Sequence[Table]) -> set[str]:
    """The columns of the tables, or the labels in their lists."""
    if source.labels is None:
        return {composed(name) for table in tables for name in table.columns}
    return labels_in_lists(source, tables)


def _labels_of_no_class(source: Manifest, names: Set[str]) -> tuple[LeftOut, ...]:
    """The names in lists that are no label of the trial; other columns may hold anything."""
    passed = Passed()
    if source.labels is not None:
        for name in sorted(names):
            passed.add("labels in lists that are none of the trial's", readable(name))
    return passed.left_out()
