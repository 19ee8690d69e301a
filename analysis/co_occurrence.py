"""Which labels stand together in images: of training as results tell it, of validation and test as stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.cells import Cell
from analysis.label_curves import cells_of_label_sets
from search_spaces.config import Task

Counts = NDArray[np.int64]
_COLUMNS = ("split", "label", "other", "images", "of_label")


@dataclass(frozen=True)
class CoOccurrence:
    """The images of a block with both of two labels, [labels, labels] for each split; whole numbers.

    splits   by name: "training" as a seed draws it, where a result tells it, "validation", "test"
    """

    block: str
    data: Task
    splits: dict[str, Counts]


def co_occurrences(cells: Sequence[Cell]) -> list[CoOccurrence]:
    """Of each block with label sets and a result."""
    blocks: dict[str, list[Cell]] = {}
    for cell in cells_of_label_sets(cells):
        blocks.setdefault(cell.block, []).append(cell)
    return [CoOccurrence(block, members[0].data, _splits(members)) for block, members in blocks.items()]


def co_occurrence_frame(one: CoOccurrence) -> pd.DataFrame:
    """A row per split of a block and ordered pair of labels.

    split      "training" as a seed draws it, before its sampler, where a result tells it; "validation";
               "test"
    label      of an image
    other      of the same image; the label itself where it is counted alone
    images     with both
    of_label   share of the images with `label` that have `other` too; empty where none has `label`
    """
    rows = []
    names = list(map(str, one.data.labels))
    for split, counts in one.splits.items():
        shares = of_label(counts)
        for place, label in enumerate(names):
            for column, other in enumerate(names):
                rows.append((split, label, other, int(counts[place, column]), shares[place, column]))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def of_label(counts: Counts) -> NDArray[np.float64]:
    """Of the images with a row's label, the share with a column's, 0 to 1; NaN of a label without images."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: NDArray[np.float64] = counts / np.diag(counts)[:, None]
    return shares


def _splits(members: Sequence[Cell]) -> dict[str, Counts]:
    found = {}
    training = _training(members)
    if training is not None:
        found["training"] = training
    for cell in members:
        if cell.chosen is not None and cell.chosen.validation is not None:
            examples = cell.chosen.validation.examples
            if examples is not None:
                found["validation"] = _counted(examples.targets)
        if cell.test is not None:
            found["test"] = _counted(cell.test.targets)
            break
    return found


def _training(members: Sequence[Cell]) -> Counts | None:
    """Of the first replicate that tells it."""
    for cell in members:
        for candidate in cell.candidates:
            for source in candidate.sources:
                if source.label_pairs is not None:
                    return np.array(source.label_pairs, dtype=np.int64)
    return None


def _counted(sets: ArrayLike) -> Counts:
    has = np.asarray(sets).astype(np.int64)
    pairs: Counts = has.T @ has
    return pairs
