"""What choosing makes a validation value too good by, and what is left of that after the correction.

Both choices are simulated. Candidates differ little in truth, and half of what the networks of one see alike
no other candidate sees. Each has six networks, each network twenty epochs whose distances move a little, and
whose noise is partly that of the epoch. `trainer.scored` chooses
each network's epoch by its validation AUROC, the default rule the candidate by the ensemble's, and
`analysis.statistics.optimism` corrects the latter choice. The truth of the chosen ensemble is known: its
AUROC on all examples.

A candidate that nobody chose owes nothing to the choice among configurations: what its validation value is
too good by is the epochs' part, mean over all candidates.
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.cells import Cell, best
from analysis.records import Scored, TrialRecord, ValidationRecord, ensemble_outputs
from analysis.select import rule_of
from analysis.statistics.optimism import DRAWS, choice_of
from benchmarks.coverage_runs import simulated
from benchmarks.coverage_scores import (
    DISTANCE,
    OF_SEEDS,
    RATES,
    SHARED,
    Labels,
    Values,
    complete,
    ensemble_distance,
    labels,
    task,
    trial,
    truth,
)
from search_spaces.config import Binary, ScoredBy, Targets
from search_spaces.config.metrics import auroc
from trainer.metrics.binary import summarize_rows
from trainer.scored import ScoredEpochs
from trainer.tasks.base import task_arrays

NETWORKS, EPOCHS = 6, 20
OF_CANDIDATES, OF_EPOCHS = 0.1, 0.1  # deviations of their distances in truth
OF_ONE_CANDIDATE = 0.5  # share of what its networks see alike that no other candidate sees
OF_ONE_EPOCH = 0.3  # share of a network's own noise that is another in each epoch
SETTINGS = ((50, 10), (50, 40), (50, 120), (100, 40))
SCORED: tuple[ScoredBy, ...] = ("last", "best_epoch")
AUROC = auroc().name


@dataclass(frozen=True)
class Optimism:
    """Means over simulations, of the AUROC of what was chosen.

    scored      by which epoch a network is scored
    plain       the chosen candidate's validation value minus its truth
    of_epochs   the same of candidates that nobody chose
    corrected   the corrected value minus the truth
    left        of the choice among configurations after the correction: `corrected` minus `of_epochs`
    error       standard error of `left`
    """

    positives: int
    candidates: int
    scored: ScoredBy
    plain: float
    of_epochs: float
    corrected: float
    left: float
    error: float


def candidate(
    generator: np.random.Generator,
    data: Binary,
    number: int,
    targets: Labels,
    shared: Values,
    scored: ScoredBy,
) -> tuple[TrialRecord, float]:
    """A trial whose networks chose their epochs on these examples, and the truth of its ensemble."""
    mean = DISTANCE + OF_CANDIDATES * generator.normal()
    of_trial = math.sqrt(1 - OF_ONE_CANDIDATE) * shared
    of_trial += math.sqrt(OF_ONE_CANDIDATE) * generator.normal(size=len(targets))
    chosen, distances = [], []
    for _ in range(NETWORKS):
        of_network = mean + OF_SEEDS * generator.normal()
        of_epochs = of_network + OF_EPOCHS * generator.normal(size=EPOCHS)
        # Of each epoch the part of the network, and on top of that the part of the epoch.
        own = math.sqrt(1 - OF_ONE_EPOCH) * generator.normal(size=len(targets))
        own = own + math.sqrt(OF_ONE_EPOCH) * generator.normal(size=(EPOCHS, len(targets)))
        scores = of_epochs[:, None] * targets + math.sqrt(SHARED) * of_trial + math.sqrt(1 - SHARED) * own
        values = summarize_rows(targets, scores, rates=Targets(tpr=(), fpr=()))[AUROC]
        held = ScoredEpochs(scored)
        for epoch in range(EPOCHS):
            held.offer(epoch, float(values[epoch]), 0.0, {}, scores[epoch].astype(np.float32))
        chosen.append(held.validation_scores())
        distances.append(of_epochs[held.epochs[0]])
    config = trial(data, NETWORKS, number=number)
    ensemble = ensemble_outputs(np.stack(chosen))
    metrics = task_arrays(data, RATES).summarize(targets, ensemble)
    record = ValidationRecord(
        config.trial_id, NETWORKS, NETWORKS, metrics, metrics[AUROC], examples=Scored(targets, ensemble)
    )
    return complete(config, record), truth(ensemble_distance(np.array(distances)))[AUROC]


def choose(positives: int, candidates: int, scored: ScoredBy, draws: int, number: int) -> dict[str, float]:
    """One simulation: a cell of candidates, and what was chosen in it; by the names of `Optimism`."""
    generator = np.random.default_rng([positives, candidates, number])
    targets = labels(positives)
    shared = generator.normal(size=len(targets))
    data = task(f"choice-{positives}-{candidates}-{number}")
    records, truths, unchosen = [], {}, []
    for place in range(candidates):
        record, value = candidate(generator, data, place, targets, shared, scored)
        records.append(record)
        truths[record.trial_id] = value
        assert record.validation is not None
        unchosen.append(record.validation.metrics[AUROC] - value)
    rule = rule_of(data, None, RATES)
    chosen = best(records, rule)
    cell = Cell(data, "block", "row", "row", False, rule, tuple(records), chosen, "rule value")
    choice = choice_of(cell, RATES, draws)
    assert choice is not None
    known = truths[cell.chosen_id]
    return {
        "plain": choice.value - known,
        "of_epochs": float(np.mean(unchosen)),
        "corrected": choice.corrected - known,
    }


def choice_table(
    simulations: int, pool: ProcessPoolExecutor, kept: Path | None = None, draws: int = DRAWS
) -> list[Optimism]:
    """Every setting, each network scored by its last and by its best epoch; `kept` as `simulated` has it."""
    found = []
    for positives, candidates in SETTINGS:
        for scored in SCORED:
            name = f"choices-{draws}-{positives}-{candidates}-{scored}.jsonl"
            file = None if kept is None else kept / name
            simulate = partial(choose, positives, candidates, scored, draws)
            made = simulated(simulate, simulations, pool, file)
            plain = np.array([one["plain"] for one in made])
            of_epochs = np.array([one["of_epochs"] for one in made])
            corrected = np.array([one["corrected"] for one in made])
            left = corrected - of_epochs
            found.append(
                Optimism(
                    positives=positives,
                    candidates=candidates,
                    scored=scored,
                    plain=float(plain.mean()),
                    of_epochs=float(of_epochs.mean()),
                    corrected=float(corrected.mean()),
                    left=float(left.mean()),
                    error=float(left.std(ddof=1) / math.sqrt(simulations)),
                )
            )
    return found
