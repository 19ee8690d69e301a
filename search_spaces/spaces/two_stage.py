"""The paper's study in two stages, as its authors ran it: 84 + 1,280 = 1,364 trials in place of 3,284.

    stage 1   every loss of the four blocks without the constraint: 4 x 21
    stage 2   per block and row, on the loss that stage 1 chose on validation: 8 constraints x 5 margins; of
              eight rows, for MBAUC is not combined with the constraint: 4 x 8 x 40

Stage 2 follows from results, so a space holds stage 1 only (`sweeps.driver.two_stage` chooses).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from search_spaces.config import TrialConfig
from search_spaces.paper.named import CONSTRAINTS, LOSSES, MARGINS, constraint_by_name
from search_spaces.rows import CellKey, cell_key
from search_spaces.space import SearchSpace, product

TWO_STAGE = "paper-two-stage"


def paper_two_stage() -> SearchSpace:
    """Stage 1: every loss of the paper's blocks without the constraint, ten seeds."""
    settings = product({"dataset": ["cifar10", "cifar100"], "ratio": [100, 200]}, {"loss": list(LOSSES)})
    description = "The paper's losses; then every constraint and delta on the best loss of each row"
    return SearchSpace.of(TWO_STAGE, settings, description)


def second_stage(chosen: Iterable[TrialConfig]) -> tuple[TrialConfig, ...]:
    """Every named constraint and margin on each of the chosen trials, MBAUC's left out; the same seeds."""
    constraints = [constraint_by_name(name, margin) for name in CONSTRAINTS for margin in MARGINS]
    found = []
    for trial in chosen:
        if trial.loss.takes_constraint:
            found += [trial.model_copy(update={"constraint": constraint}) for constraint in constraints]
    return tuple(found)


def stand_ins(first: Sequence[TrialConfig]) -> tuple[TrialConfig, ...]:
    """A second stage on the first loss of each row: as many trials, and as costly, as that to be chosen."""
    cells: dict[CellKey, TrialConfig] = {}
    for trial in first:
        cells.setdefault(cell_key(trial), trial)
    return second_stage(cells.values())
