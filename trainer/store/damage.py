"""Replicates that ended and whose files are not what was written: found by reading all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import trainer.store.layout as layout
from search_spaces.errors import DamagedError
from trainer.store.replicates import Replicates
from trainer.store.storage import Storage

# Why replicates are damaged, by trial id and seed.
Damage = dict[str, dict[int, str]]
_READERS = 16


def find_damage(storage: Storage, replicates: Replicates, wanted: Mapping[str, Collection[int]]) -> Damage:
    """Those of the wanted replicates that ended and are damaged, and why; `wanted` are seeds by trial id.

    Every marker and every file of a result is read, whatever the index says. Raises StoreError when that
    cannot be done.
    """
    listed = layout.trial_files(storage.list_files(layout.TRIALS, recursive=True))
    places = []
    for trial_id, seeds in wanted.items():
        if trial_id in listed:
            ended = listed[trial_id].replicates
            places += [(trial_id, seed, ended[seed]) for seed in seeds if seed in ended]

    def look(place: tuple[str, int, str]) -> str | None:
        try:
            done = replicates.read_done(*place)
        except DamagedError as error:
            return str(error)
        return None if done is None else replicates.damage(done)

    damage: Damage = {}
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        for (trial_id, seed, _), found in zip(places, pool.map(look, places), strict=True):
            if found is not None:
                damage.setdefault(trial_id, {})[seed] = found
    return damage
