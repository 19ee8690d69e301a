"""Which driver trains a trial just now: two sweeps of one output folder do not train the same one twice.

A claim lies beside the trial and names a sweep and its driver's lease: it counts for as long as that driver
lives, and is in nobody's way afterwards. On a local disk one of two that claim together gets the trial; on
object storage both may, which costs a training and no result.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trainer.store.layout as layout
from search_spaces.errors import DamagedError, StoreError
from search_spaces.names import is_plain_name
from sweeps.driver.lease import holder_of
from trainer.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claimant:
    """A driver that trains trials, as a claim names it.

    sweep   that it runs
    token   of its lease
    """

    sweep: str
    token: str

    def claim(self, store: Store, trial_id: str) -> str | None:
        """Claim a trial, which is about to be trained.

        None where that worked, else the sweep whose living driver trains it. Storage that fails is logged:
        the trial is trained without a claim.
        """
        path = layout.claim(trial_id)
        try:
            with store.storage.alone_in(layout.trial(trial_id)):
                other = _read(store, path)
                if other is not None and other != self and other.is_alive(store):
                    return other.sweep
                store.storage.write_json(path, {"sweep": self.sweep, "token": self.token}, lasting=False)
        except StoreError as error:
            log.warning("trial %s could not be claimed: %s", trial_id, error)
        return None

    def release(self, store: Store, trial_id: str) -> None:
        """Give a trial's claim back, where it is this driver's. Storage that fails is logged."""
        path = layout.claim(trial_id)
        try:
            with store.storage.alone_in(layout.trial(trial_id)):
                if _read(store, path) == self:
                    store.storage.delete(path)
        except StoreError as error:  # it ends with the driver
            log.warning("the claim of trial %s could not be given back: %s", trial_id, error)

    def is_alive(self, store: Store) -> bool:
        """Whether the driver still holds its sweep's lease, and lives."""
        holder = holder_of(store, self.sweep)
        return holder is not None and holder.token == self.token and holder.is_alive


def busy_trials(store: Store) -> set[str]:
    """Ids of the trials that a living driver trains just now."""
    busy = set()
    for path in store.storage.list_files(layout.TRIALS, recursive=True):
        trial_id = layout.trial_of(path)
        if path == layout.claim(trial_id):
            claimant = _read(store, path)
            if claimant is not None and claimant.is_alive(store):
                busy.add(trial_id)
    return busy


def _read(store: Store, path: str) -> Claimant | None:
    """Who claims a trial; None where nobody does, or in words that cannot be read."""
    try:
        content = store.storage.read_json(path) or {}
    except DamagedError:
        return None
    sweep, token = content.get("sweep"), content.get("token")
    if not is_plain_name(sweep) or not isinstance(token, str):
        return None
    return Claimant(sweep, token)
