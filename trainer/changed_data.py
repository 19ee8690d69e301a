"""Which stored replicates were trained on other data than there are now.

A result names the hash of its data, and the preparation: the number by which versions of this program that
read the same files differently are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from search_spaces.config import TrialConfig
from search_spaces.errors import DataError, StoreError
from trainer.data.preparation import PREPARATION
from trainer.store import Done, Store

# What a result is of that does not say.
FIRST_PREPARATION = 1


class TrainedOn(NamedTuple):
    """What a replicate was trained on: the data's SHA-256, and how they were prepared."""

    sha256: str
    preparation: int


def trained_on(store: Store, done: Done) -> TrainedOn | None:
    """What a replicate that ended was trained on; None where its result cannot be read, or does not say."""
    try:
        result = store.replicates.read_result(done)
    except (StoreError, ValueError):  # whoever reads its scores tells of the damage
        return None
    sha256, preparation = result.get("data_sha256"), result.get("preparation", FIRST_PREPARATION)
    if not isinstance(sha256, str) or not isinstance(preparation, int):
        return None
    return TrainedOn(sha256, preparation)


def of_other_data(store: Store, ended: Mapping[int, Done], sha256: str) -> dict[int, TrainedOn]:
    """What replicates of other data than `sha256` were trained on, by seed; `ended` are a trial's."""
    found = {}
    for seed, done in sorted(ended.items()):
        was = trained_on(store, done)
        if was is not None and was.sha256 != sha256:
            found[seed] = was
    return found


def to_replace(
    store: Store, config: TrialConfig, ended: Mapping[int, Done], sha256: str, *, allowed: bool
) -> dict[int, Done]:
    """The wanted seeds of a trial whose results are of other data than `sha256`: they are trained again.

    Until that is done their results stand; only the trial's entry in the index goes, so that its markers tell
    how it stands. Raises DataError where there are such seeds and it is not `allowed`.
    """
    wanted = {seed: done for seed, done in ended.items() if seed in config.seeds}
    other = of_other_data(store, wanted, sha256)
    if not other:
        return {}
    if not allowed:
        seeds = ", ".join(map(str, other))
        told = difference(next(iter(other.values())), sha256)
        raise DataError(
            f"trial {config.trial_id}: seed {seeds}: {told}; their results do not mix, and --changed-data "
            "trains these seeds again"
        )
    store.index.drop(config.trial_id)
    return {seed: ended[seed] for seed in other}


def difference(was: TrainedOn, sha256: str) -> str:
    """Both hashes, and what is known of why they differ.

    >>> difference(TrainedOn("12ab", PREPARATION), "34cd")
    'trained on data 12ab, now there are data 34cd'
    """
    words = f"trained on data {was.sha256}, now there are data {sha256}"
    if was.preparation != PREPARATION:
        words += (
            f": this version reads the images differently (preparation {was.preparation}, now {PREPARATION})"
        )
    return words
