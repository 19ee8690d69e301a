"""The result store. `Store` is the door and `layout` says where everything lies."""

from trainer.store import layout
from trainer.store.damage import Damage, find_damage
from trainer.store.manifest import ConfirmedChoice, Confirms, SweepManifest, stored_space
from trainer.store.markers import Done, StoredFile, new_attempt, states_of
from trainer.store.notes import StopRequest
from trainer.store.retry import Retry
from trainer.store.schema import STORE_SCHEMA
from trainer.store.state import Standing, TrialFiles, standing
from trainer.store.storage import Storage
from trainer.store.store import Store, wanted_seeds

__all__ = [
    "STORE_SCHEMA",
    "ConfirmedChoice",
    "Confirms",
    "Damage",
    "Done",
    "Retry",
    "Standing",
    "StopRequest",
    "Storage",
    "Store",
    "StoredFile",
    "SweepManifest",
    "TrialFiles",
    "find_damage",
    "layout",
    "new_attempt",
    "standing",
    "states_of",
    "stored_space",
    "wanted_seeds",
]
