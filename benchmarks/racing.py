"""What a race of replicates would have chosen of a sweep that was trained whole: replayed on its store.

    almsweep run docs/spaces/racing-digits.yaml
    python -m benchmarks.racing results racing-digits [--replays 20]

A replay gives the seeds another order, lets `sweeps.search.race` decide as a run would, and reads what a
replicate stored where the run would train it. Told, over all cells with a choice and all replays:

    replicates   the share of the cell's replicates that the race trains
    within       the share of replays in which the chosen trial's validation value, of the ensemble of all
                 its replicates, is no more than TOLERANCE below that of the whole sweep's choice
    same         the share in which it is the same trial
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa

from analysis.cells import best
from analysis.load import load_sweep
from analysis.records import TrialRecord
from analysis.select import Rule, rule_of
from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, InputError
from search_spaces.labels import BlockLabels
from search_spaces.rows import CellKey, cell_key, row_label
from search_spaces.words import count
from sweeps.search.race import TOLERANCE, Race
from trainer.store import Done, Store, SweepManifest, wanted_seeds


@dataclass
class Replay:
    """In a store's place: what has been trained so far of a sweep whose results are all known."""

    known: Mapping[str, Mapping[int, Done]]
    results: Mapping[tuple[str, int], Mapping[str, Any]]
    scores: Mapping[tuple[str, int], pa.Table]
    ended_by: dict[str, dict[int, Done]] = field(default_factory=dict)

    @property
    def replicates(self) -> Replay:
        """The part of a store that holds replicates: here the same object."""
        return self

    @property
    def index(self) -> Replay:
        """The index: likewise."""
        return self

    def all_replicates(self, wanted: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Done]]:
        """Markers by trial and seed, as a store's."""
        return {trial_id: dict(self.ended(trial_id)) for trial_id in wanted}

    def ended(self, trial_id: str) -> dict[int, Done]:
        """Markers of a trial by seed."""
        return self.ended_by.setdefault(trial_id, {})

    def train(self, trial: TrialConfig) -> int:
        """Give a trial what it lacks of its seeds; how many that were."""
        missing = [seed for seed in trial.seeds if seed not in self.ended(trial.trial_id)]
        for seed in missing:
            self.ended(trial.trial_id)[seed] = self.known[trial.trial_id][seed]
        return len(missing)

    def read_scores(self, done: Done) -> pa.Table:
        """A replicate's stored outputs."""
        return self.scores[done.trial_id, done.seed]

    def read_result(self, done: Done) -> Mapping[str, Any]:
        """A replicate's summary."""
        return self.results[done.trial_id, done.seed]

    def read_epochs(self, done: Done) -> pa.Table:
        """No curve is looked at."""
        return pa.table({"epoch": pa.array([], pa.int32())})

    def write(self, trial_id: str, seed: int | None = None, **what: Any) -> None:
        """A replicate that is never begun, or (without a seed) an entry of the index."""
        if seed is not None:
            self.ended(trial_id)[seed] = Done(trial_id, seed, what["state"], what["attempt"], {})


@dataclass(frozen=True)
class Found:
    """What a replay comes to in a cell: the share trained, the loss in value, and whether it is the same."""

    cell: CellKey
    share: float
    loss: float
    same: bool


def replay(manifest: SweepManifest, records: Sequence[TrialRecord], store: Replay, order: int) -> list[Found]:
    """One race, with the seeds in another order, and what it comes to in each cell that has a choice."""
    generator = np.random.default_rng(order)
    seeds = manifest.trials[0].seeds
    turned = tuple(int(seed) for seed in generator.permutation(seeds))
    trials = [trial.model_copy(update={"seeds": turned}) for trial in manifest.trials]
    race = Race(cast(Store, store), trials, [trial.trial_id for trial in trials], manifest.reading)
    trained: dict[str, int] = {}
    while (lap := race.next_lap()).trials:
        for trial_id, trial in lap.trials.items():
            trained[trial_id] = trained.get(trial_id, 0) + store.train(trial)
    found = []
    for cell, candidates in _cells(manifest, records).items():
        rule = rule_of(candidates[0].config.data, None, manifest.reading.targets)
        kept = [one for one in candidates if trained[one.trial_id] == len(seeds)]
        whole, raced = best(candidates, rule), best(kept, rule)
        if len(candidates) < 2 or whole is None or raced is None:
            continue
        share = sum(trained[one.trial_id] for one in candidates) / (len(candidates) * len(seeds))
        loss = _gain(whole, rule) - _gain(raced, rule)
        found.append(Found(cell, share, loss, whole.trial_id == raced.trial_id))
    return found


def _gain(record: TrialRecord, rule: Rule) -> float:
    if record.validation is None:
        raise InputError(f"trial {record.trial_id}: expected validation results, given none")
    return rule.metric.gain(rule.value(record.validation))


def _cells(manifest: SweepManifest, records: Sequence[TrialRecord]) -> dict[CellKey, list[TrialRecord]]:
    cells: dict[CellKey, list[TrialRecord]] = {}
    for record in records:
        cells.setdefault(cell_key(record.config, manifest.reading.rows), []).append(record)
    return cells


def told(manifest: SweepManifest, found: Sequence[Found]) -> list[str]:
    """A Markdown table: a line per cell, and one for all."""
    labels = BlockLabels([trial.data for trial in manifest.trials])
    names = {}
    for trial in manifest.trials:
        key = cell_key(trial, manifest.reading.rows)
        names[key] = f"{labels.block(trial.data)} {row_label(trial, manifest.reading.rows)}"
    lines = [
        f"| cell | replicates (%) | within {TOLERANCE} (%) | same (%) | largest loss |",
        "|---|---|---|---|---|",
    ]
    for key in dict.fromkeys(one.cell for one in found):
        lines.append(_line(names[key], [one for one in found if one.cell == key]))
    lines.append(_line("**all**", found))
    return lines


def _line(name: str, found: Sequence[Found]) -> str:
    share = 100 * float(np.mean([one.share for one in found]))
    within = 100 * float(np.mean([one.loss <= TOLERANCE for one in found]))
    same = 100 * float(np.mean([one.same for one in found]))
    largest = max(one.loss for one in found)
    return f"| {name} | {share:.1f} | {within:.1f} | {same:.1f} | {largest:.4f} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", help="the store of a sweep that was trained whole")
    parser.add_argument("sweep", help="its name")
    parser.add_argument("--replays", type=int, default=20, help="orders of the seeds")
    options = parser.parse_args(arguments)
    try:
        print("\n".join(replays(Store(options.output), options.sweep, options.replays)))
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def replays(store: Store, sweep: str, number: int) -> list[str]:
    """The table of so many replays. Raises InputError where the sweep is not complete."""
    manifest = store.read_sweep(sweep)
    known = store.all_replicates(wanted_seeds(manifest.trials))
    results, scores = {}, {}
    for trial in manifest.trials:
        done = known.get(trial.trial_id, {})
        lacking = [seed for seed in trial.seeds if seed not in done or done[seed].state == "pruned"]
        if lacking:
            raise InputError(
                f"{sweep}: expected a sweep that was trained whole, given trial {trial.trial_id} without "
                f"{count(len(lacking), 'replicate')}"
            )
        for seed in trial.seeds:
            results[trial.trial_id, seed] = store.replicates.read_result(done[seed])
            if "scores" in done[seed].files:
                scores[trial.trial_id, seed] = store.replicates.read_scores(done[seed])
    records = load_sweep(store, manifest).trials
    found = []
    for order in range(number):
        found += replay(manifest, records, Replay(known, results, scores), order)
    return told(manifest, found)


if __name__ == "__main__":
    sys.exit(main())
