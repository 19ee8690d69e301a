"""What a network says about each example, as a table: id, target, and a score or a logit per class.

split        "val" or "test"
example_id   the example's id in its published split, as text
group        of a source with groups: which one the example is of, hashed
target       int8 or int16; of a task with label sets a fixed-size list of int8, 1 for each label it has
score        float32, of a task with one score per example
outputs      of any other: fixed-size list of float32, a logit per class
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

SCORE, OUTPUTS = "score", "outputs"
GROUP, TARGET = "group", "target"


class Outputs(NamedTuple):
    """Ids [N] (str), targets [N] or [N, L], and outputs [N] or [N, K] (float32) of one split, as stored.

    And the hashed group of each example [N]; None of a source without groups.
    """

    ids: NDArray[np.str_]
    targets: NDArray[np.int16]
    outputs: NDArray[np.float32]
    groups: NDArray[np.str_] | None = None


def outputs_table(
    split: str,
    ids: Any,
    targets: NDArray[np.generic],
    outputs: NDArray[np.float32],
    groups: NDArray[np.str_] | None = None,
) -> pa.Table:
    """A split's outputs [N] or [N, K] as a table of N rows."""
    columns = {
        "split": pa.array([split] * len(outputs), pa.string()),
        "example_id": pa.array([str(i) for i in ids], pa.string()),
    }
    if groups is not None:
        columns[GROUP] = pa.array(groups.tolist(), pa.string())
    values = pa.array(outputs.astype(np.float32).reshape(-1))
    if outputs.ndim == 1:
        columns[TARGET], columns[SCORE] = pa.array(targets.astype(np.int8)), values
    else:
        columns[TARGET] = _target_column(targets)
        columns[OUTPUTS] = pa.FixedSizeListArray.from_arrays(values, outputs.shape[1])
    return pa.table(columns)


def outputs_of(table: pa.Table, split: str) -> Outputs:
    """One split of a stored table, in its rows' order. Raises KeyError for a table without outputs."""
    part = table.filter(pc.equal(table["split"], split))
    ids = np.asarray(part["example_id"].to_pylist(), dtype=np.str_)
    targets = target_values(part).astype(np.int16)
    return Outputs(ids, targets, output_values(part), group_values(part))


def _target_column(targets: NDArray[np.generic]) -> pa.Array:
    if targets.ndim == 1:
        return pa.array(targets.astype(np.int16))
    return pa.FixedSizeListArray.from_arrays(pa.array(targets.astype(np.int8).reshape(-1)), targets.shape[1])


def target_values(rows: pa.Table) -> NDArray[Any]:
    """The targets [N], or label sets [N, L], of a table's rows."""
    column = rows[TARGET].combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        targets: NDArray[Any] = rows[TARGET].to_numpy()
        return targets
    return _listed(column)


def group_values(rows: pa.Table) -> NDArray[np.str_] | None:
    """The hashed groups [N] of a table's rows; None of a source without groups."""
    if GROUP not in rows.column_names:
        return None
    return np.asarray(rows[GROUP].to_pylist(), dtype=np.str_)


def output_values(rows: pa.Table) -> NDArray[np.float32]:
    """The outputs [N] or [N, K] of a table's rows. Raises KeyError for a table without outputs."""
    if SCORE in rows.column_names:
        scores: NDArray[np.float32] = rows[SCORE].to_numpy().astype(np.float32, copy=False)
        return scores
    outputs: NDArray[np.float32] = _listed(rows[OUTPUTS].combine_chunks()).astype(np.float32, copy=False)
    return outputs


def _listed(lists: pa.FixedSizeListArray) -> NDArray[Any]:
    """A column of lists of one length as an array [N, length]."""
    values: NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(lists), lists.type.list_size)
