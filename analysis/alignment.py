"""Outputs of several replicates side by side: the same example in the same column, checked by id."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from search_spaces.errors import StoreError
from search_spaces.words import count
from trainer.store.outputs import OUTPUTS, SCORE, group_values, output_values, target_values

COLUMNS = ("split", "example_id", "target")


class ExamplesError(StoreError):
    """What is stored of a replicate are not the examples of its block."""


@dataclass(frozen=True)
class Examples:
    """The examples of one split, sorted by id; `origin` names the replicate that they were first seen in.

    groups   the hashed group of each example, which examples of one patient share; None without groups
    """

    origin: object
    ids: pa.Array
    targets: NDArray[Any]
    groups: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class _Layout:
    """An order of ids and targets that was met in a file, and the permutation that sorts it by id."""

    ids: pa.Array
    targets: NDArray[Any]
    order: NDArray[np.int64]


class SplitAligner:
    """Brings the outputs of one split, of all replicates of a block, into one order. Safe in threads.

    The first table decides which examples the block has; every later one must hold the same ids with the
    same targets, in any order.
    """

    def __init__(self, split: str) -> None:
        self.split = split
        self.examples: Examples | None = None
        self._layout: _Layout | None = None
        self._lock = threading.Lock()

    def align(self, table: pa.Table, origin: object) -> NDArray[np.float32]:
        """Outputs [examples] or [examples, classes] of a replicate, sorted by example id.

        `origin` names it in errors, as text. Raises ExamplesError when columns are missing, ids are repeated,
        or ids or targets are not the block's.
        """
        rows = self._rows(table, origin)
        aligned: NDArray[np.float32] = output_values(rows)[self._order(rows, origin)]
        return aligned

    def check(self, table: pa.Table, origin: object) -> None:
        """Raise ExamplesError as `align` does."""
        self._order(self._rows(table, origin), origin)

    def _rows(self, table: pa.Table, origin: object) -> pa.Table:
        """The split's rows of a table that has all columns."""
        missing = set(COLUMNS) - set(table.column_names)
        if not {SCORE, OUTPUTS} & set(table.column_names):
            missing.add(SCORE)
        if missing:
            raise ExamplesError(f"{origin}: scores lack the columns {', '.join(sorted(missing))}")
        rows = table.filter(pc.equal(table.column("split"), self.split))
        if rows.num_rows == 0:
            raise ExamplesError(f"{origin}: scores hold no example of the split {self.split!r}")
        return rows

    def targets(self) -> NDArray[Any]:
        """Targets [examples] of the block, sorted by example id. Raises StoreError before any table came."""
        if self.examples is None:
            raise StoreError(f"no scores of the split {self.split!r} were read")
        return self.examples.targets

    def groups(self) -> NDArray[np.str_] | None:
        """The hashed group of each example, sorted by example id; None of a source without groups."""
        return None if self.examples is None else self.examples.groups

    def _order(self, rows: pa.Table, origin: object) -> NDArray[np.int64]:
        ids = rows.column("example_id").combine_chunks()
        targets = target_values(rows)
        layout = self._layout
        if layout is not None and ids.equals(layout.ids) and np.array_equal(targets, layout.targets):
            return layout.order
        order: NDArray[np.int64] = pc.sort_indices(ids).to_numpy().astype(np.int64)
        groups = group_values(rows)
        if groups is not None:
            groups = groups[order]
        found = Examples(origin, ids.take(pa.array(order)), targets[order], groups)
        with self._lock:
            if self.examples is None:
                self._check_unique(found)
                self.examples = found
            self._check_same(self.examples, found)
            self._layout = _Layout(ids, targets, order)
        return order

    def _check_unique(self, found: Examples) -> None:
        if len(pc.unique(found.ids)) != len(found.ids):
            raise ExamplesError(f"{found.origin}: example ids of the split {self.split!r} are repeated")

    def _check_same(self, known: Examples, found: Examples) -> None:
        where = f"{found.origin} and {known.origin}, split {self.split!r}"
        if not found.ids.equals(known.ids):
            counts = f"{len(found.ids)} and {count(len(known.ids), 'example')}"
            raise ExamplesError(f"{where}: expected the same example ids, found others ({counts})")
        if not np.array_equal(found.targets, known.targets):
            raise ExamplesError(f"{where}: expected the same target for the same example id, found others")
