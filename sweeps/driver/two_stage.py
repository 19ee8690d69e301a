"""The second stage of a two-stage study: chosen from the stored results of the first, on validation only.

The choice is made once, when all of the first stage has ended, and stands in the sweep's manifest from then
on: a later launch goes on with it, whatever the selection rule that it names.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from search_spaces.config import TrialConfig
from search_spaces.rows import row_label
from search_spaces.spaces.two_stage import TWO_STAGE, second_stage, stand_ins
from trainer.store import Store, SweepManifest

log = logging.getLogger(__name__)


def is_first_stage(manifest: SweepManifest) -> bool:
    """Whether these are the trials of a two-stage study of which the second stage is not chosen yet."""
    return manifest.name == TWO_STAGE and all(config.constraint is None for config in manifest.trials)


def expected(manifest: SweepManifest) -> SweepManifest:
    """The manifest with stand-ins for a second stage that is not chosen yet, to count and to cost them."""
    if not is_first_stage(manifest):
        return manifest
    return replace(manifest, trials=(*manifest.trials, *stand_ins(manifest.trials)))


def with_second_stage(store: Store, manifest: SweepManifest, rule: str | None = None) -> SweepManifest:
    """The manifest with the second stage on the trial of each block and row that `rule` prefers.

    A row of which no trial has a result to rank has no second stage. Raises InputError for an unknown rule.
    """
    # Here, for `plan` asks this module without reading a result.
    from analysis.cells import best, by_cell
    from analysis.load import load_sweep
    from analysis.select import rule_of

    reading = manifest.reading
    chosen: set[str] = set()
    for records in by_cell(load_sweep(store, manifest).trials, reading.rows).values():
        config = records[0].config
        winner = best(records, rule_of(config.data, rule, reading.targets))
        if winner is None:
            row = row_label(config, reading.rows)
            log.warning("row %s of %s: no result to choose from, so no second stage", row, manifest.name)
        else:
            chosen.add(winner.trial_id)
    first = tuple(config for config in manifest.trials if config.trial_id in chosen)
    return replace(manifest, trials=(*manifest.trials, *second_stage(first)))


def continued(stored: SweepManifest, first: tuple[TrialConfig, ...]) -> SweepManifest:
    """The stored manifest of a study whose second stage is chosen, with the seeds of its first stage."""
    seeds = first[0].seeds
    return replace(stored, trials=tuple(c.model_copy(update={"seeds": seeds}) for c in stored.trials))
