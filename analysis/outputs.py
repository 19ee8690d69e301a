"""What a trial's replicates say about each example, read of the store: joined in one object, or singly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.alignment import SplitAligner
from analysis.found import Called, Found
from search_spaces.errors import DamagedError
from trainer.store import Done, Store
from trainer.store.joined_object import JoinedObject, JoinedTrial


@dataclass(frozen=True)
class StoredOutputs:
    """The outputs of these replicates: `joined`, or a table of each.

    name   what errors call the trial
    """

    name: Called
    done: tuple[Done, ...]
    joined: JoinedTrial | None = None
    tables: tuple[pa.Table, ...] = ()

    def aligned(self, aligner: SplitAligner) -> NDArray[np.float32]:
        """Outputs of a split, [replicates, examples] or [replicates, examples, classes], sorted by id.

        Raises StoreError as `SplitAligner.align` does.
        """
        if self.joined is not None:
            side_by_side = aligner.align(self.joined.table, self.name.replicate(self.done[0]))
            return self.joined.split_replicates(side_by_side)
        rows = []
        for done, table in zip(self.done, self.tables, strict=True):
            rows.append(aligner.align(table, self.name.replicate(done)))
        return np.stack(rows)

    def check(self, aligner: SplitAligner) -> None:
        """Raise StoreError where a split's examples are not the block's."""
        if self.joined is not None:
            aligner.check(self.joined.table, self.name.replicate(self.done[0]))
        for done, table in zip(self.done, self.tables, strict=self.joined is None):
            aligner.check(table, self.name.replicate(done))

    def epochs(self, store: Store) -> dict[int, pa.Table]:
        """Each replicate's curves by seed. Raises DamagedError."""
        if self.joined is not None:
            return {done.seed: self.joined.epochs(done.seed) for done in self.done}
        return {done.seed: store.replicates.read_epochs(done) for done in self.done}


def sound_outputs(store: Store, found: Found, opened: JoinedObject | None = None) -> StoredOutputs | None:
    """The outputs of a trial's completed replicates; those that are damaged are left out of `found`.

    `opened` is the trial's joined object, where the caller has it. None where there are no outputs.
    """
    done = [found.done[seed] for seed in found.sources]
    joined = _joined(store, done, opened)
    if joined is not None:
        return StoredOutputs(found.name, tuple(done), joined)
    tables = []
    for marker in done:
        try:
            tables.append(store.replicates.read_scores(marker))
        except DamagedError as error:
            found.leave_out(store, marker.seed, error)
    sound = tuple(found.done[seed] for seed in found.sources)
    return StoredOutputs(found.name, sound, tables=tuple(tables)) if sound else None


def read_outputs(store: Store, name: Called, done: Sequence[Done]) -> StoredOutputs:
    """The outputs of completed replicates, of one at least. Raises DamagedError where a file is damaged."""
    joined = _joined(store, done)
    if joined is not None:
        return StoredOutputs(name, tuple(done), joined)
    tables = [store.replicates.read_scores(marker) for marker in done]
    return StoredOutputs(name, tuple(done), tables=tuple(tables))


def _joined(store: Store, done: Sequence[Done], opened: JoinedObject | None = None) -> JoinedTrial | None:
    return store.joined.read(done[0].trial_id, done, opened) if done else None
