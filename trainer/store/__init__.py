"""The result store. `Store` is the door; see `trainer.store.store` for the files that it keeps."""

from trainer.store.markers import STATES, STORE_SCHEMA, Done, StoredFile, TrialFiles, new_attempt
from trainer.store.notes import StopRequest
from trainer.store.store import Store, SweepManifest

__all__ = [
    "STATES",
    "STORE_SCHEMA",
    "Done",
    "StopRequest",
    "Store",
    "StoredFile",
    "SweepManifest",
    "TrialFiles",
    "new_attempt",
]
