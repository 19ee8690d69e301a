"""How often the classes of a block occur in training, and in which shares its samplers draw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.cells import Cell
from analysis.confusion import class_names
from search_spaces.config import LabelSetSampler, PowerSampler, SamplerName, Task, number
from search_spaces.config.metrics import frequency_group
from trainer.tasks.counts import drawn_shares

Sampler = SamplerName | PowerSampler

COLUMNS = (
    "block",
    "class",
    "name",
    "critical",
    "training_images",
    "group",
    "sampler",
    "first_epoch",
    "last_epoch",
)


@dataclass(frozen=True)
class ClassCounts:
    """The classes of a block: training images of each, and its rows' samplers in their order."""

    block: str
    data: Task
    counts: tuple[int, ...]
    samplers: tuple[Sampler, ...]

    @property
    def critical(self) -> frozenset[str]:
        """The labels of the critical classes."""
        return frozenset(self.data.columns("one_vs_rest"))

    def shares(self, sampler: Sampler, *, progress: float) -> list[float]:
        """The expected shares of an epoch; `progress` is 0 in the first, 1 in the last."""
        return drawn_shares(sampler, self.counts, progress)


def class_counts(cells: Sequence[Cell]) -> list[ClassCounts]:
    """Of each block of several classes whose results tell their training images."""
    blocks: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.data.decides_by_highest:
            blocks.setdefault(cell.block, []).append(cell)
    found = []
    for block, members in blocks.items():
        counts, samplers = None, dict[Sampler, None]()
        for cell in members:
            for candidate in cell.candidates:
                counts = counts or candidate.counts
                sampler = candidate.config.sampler
                if not isinstance(sampler, LabelSetSampler):
                    samplers[sampler] = None
        if counts is not None:
            found.append(ClassCounts(block, members[0].data, counts, tuple(samplers)))
    return found


def class_frame(found: Iterable[ClassCounts]) -> pd.DataFrame:
    """A row per class and sampler.

    block             data set and ratio
    class             its label
    name              what the data set calls it
    critical          whether it is
    training_images   how many a seed draws
    group             "many", "medium" or "few" (`search_spaces.config.metrics.frequency_group`)
    sampler           of rows of the block
    first_epoch       the share of it that is of the class, as the sampler's law expects
    last_epoch        likewise
    """
    rows = []
    for one in found:
        names = class_names(one.data)
        for sampler in one.samplers:
            first, last = one.shares(sampler, progress=0), one.shares(sampler, progress=1)
            for place, label in enumerate(one.data.labels):
                count = one.counts[place]
                rows.append(
                    (
                        one.block,
                        str(label),
                        names[place],
                        str(label) in one.critical,
                        count,
                        frequency_group(count),
                        sampler_words(sampler),
                        first[place],
                        last[place],
                    )
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sampler_words(sampler: Sampler) -> str:
    """A sampler in a few words: "class_balanced", "exponent=0.3"."""
    if isinstance(sampler, PowerSampler):
        return f"exponent={number(sampler.exponent)}"
    return sampler
