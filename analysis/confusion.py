"""What the classes of a task are taken for, before a method and after it: of the ensembles, on test.

Before is the row of its block that a cell's method is held against: of the rows with a result whose methods
are a part of its own, that with the fewest, then that whose other settings differ in the fewest places, then
the first. A method is a sampler other than `shuffle`, further steps of augmentation, a loss that makes up for
rare classes, the constraint. A row without any of them, or without such another row, has no before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cells import Cell
from analysis.records import ensemble_outputs
from search_spaces.config import Task, TrialConfig
from search_spaces.labels import flat, spelled_out
from trainer.tasks.base import task_arrays

Matrix = NDArray[np.int64]

# What may differ between a row and what it is held against, beside other settings.
_METHODS = ("sampler", "augmentation", "loss", "constraint")


@dataclass(frozen=True)
class Confusion:
    """The confusion matrices of a cell, [classes, classes], a row per true class; whole numbers of images.

    before   of `baseline`; None where there is none
    """

    cell: Cell
    after: Matrix
    baseline: Cell | None = None
    before: Matrix | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' labels, in the matrices' order."""
        return tuple(map(str, self.cell.data.labels))

    @property
    def names(self) -> tuple[str, ...]:
        """What the data set calls the classes."""
        return class_names(self.cell.data)

    def frame(self) -> pd.DataFrame:
        """A row per pair of classes.

        true         an image's class
        decided      the class that it is taken for
        images       so many images of test
        before       likewise of the row that the method is held against; empty where there is none
        difference   images minus before
        """
        count = len(self.classes)
        after = pd.Series(self.after.ravel(), dtype="Int64")
        before = pd.Series([pd.NA] * count**2, dtype="Int64")
        if self.before is not None:
            before = pd.Series(self.before.ravel(), dtype="Int64")
        return pd.DataFrame(
            {
                "true": np.repeat(np.array(self.classes, dtype=object), count),
                "decided": np.tile(np.array(self.classes, dtype=object), count),
                "images": after,
                "before": before,
                "difference": after - before,
            }
        )


def confusions(cells: Sequence[Cell]) -> list[Confusion]:
    """The matrices of every cell with a result, of tasks that decide by the highest output."""
    matrices: dict[str, Matrix | None] = {}
    for cell in cells:
        if cell.test is not None and cell.data.decides_by_highest:
            matrices[cell.chosen_id] = _matrix(cell)
    found = []
    for cell, before in baselines(cells):
        after = matrices[cell.chosen_id]
        if after is None:
            continue
        of_before = None if before is None else matrices[before.chosen_id]
        if before is None or of_before is None:
            found.append(Confusion(cell, after))
        else:
            found.append(Confusion(cell, after, before, of_before))
    return found


def baselines(cells: Sequence[Cell]) -> list[tuple[Cell, Cell | None]]:
    """Every cell with a result of a task that decides by the highest output, and what it is held against."""
    blocks: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.test is not None and cell.data.decides_by_highest:
            blocks.setdefault(cell.block, []).append(cell)
    found = []
    for members in blocks.values():
        for cell in members:
            found.append((cell, baseline(members, cell)))
    return found


def class_names(task: Task) -> tuple[str, ...]:
    """What a task's data set calls its classes, in their order."""
    return tuple(str(task.source.classes_told.name(label)) for label in task.labels)


def called(task: Task, label: str) -> str:
    """A class or label, with what the data set calls it: "3 cat"; of a binary task as it is."""
    labels = list(map(str, task.labels))
    if label not in labels:
        return label
    name = class_names(task)[labels.index(label)]
    return label if name == label else f"{label} {name}"


def baseline(cells: Sequence[Cell], cell: Cell) -> Cell | None:
    """What a cell is held against, among the cells with a result of its block; None where it has none."""
    if cell.chosen is None:
        return None
    config = cell.chosen.config
    methods, found = _methods(config), []
    for place, other in enumerate(cells):
        if other.chosen is not None and _methods(other.chosen.config) < methods:
            of_other = other.chosen.config
            found.append((len(_methods(of_other)), _differences(config, of_other), place))
    if not found:
        return None
    return cells[min(found)[-1]]


def _matrix(cell: Cell) -> Matrix | None:
    if cell.test is None:
        return None
    return task_arrays(cell.data).confusion(cell.test.targets, ensemble_outputs(cell.test.outputs))


def _methods(config: TrialConfig) -> frozenset[str]:
    """The methods of a trial; see above."""
    is_used = {
        "sampler": config.sampler != "shuffle",
        "augmentation": bool(config.augmentation.then),
        "loss": config.loss.corrects_counts,
        "constraint": config.constraint is not None,
    }
    return frozenset(method for method, used in is_used.items() if used)


def _differences(config: TrialConfig, other: TrialConfig) -> int:
    """How many settings differ that are no method, and a loss's name."""
    ours, theirs = _settings(config), _settings(other)
    return sum(ours.get(name) != theirs.get(name) for name in ours.keys() | theirs.keys())


def _settings(config: TrialConfig) -> dict[str, str]:
    told = {"family": config.loss.family}
    for name, part in config:
        if name not in ("data", "seeds", *_METHODS):
            told |= {key: str(value) for key, value in flat({name: spelled_out(part)}).items()}
    return told
