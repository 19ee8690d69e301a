"""What stands beside a trial while it is not done: checkpoint, failure, request to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import trainer.store.layout as layout
from search_spaces.errors import DamagedError
from search_spaces.redaction import redacted
from trainer.store.retry import ONCE
from trainer.store.storage import Storage

PEAK_MEMORY = "peak_memory_bytes"


@dataclass(frozen=True)
class StopRequest:
    """Why a trial is to be stopped, and the metric by which it fell behind ("val/auroc"); None: by none."""

    reason: str
    metric: str | None = None


class Notes:
    """The part of the store that holds what is passing: each is deleted when its trial is done."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def write_checkpoint(self, trial_id: str, data: bytes) -> None:
        """Write the state of a trial's replicates under way, in one try: the next checkpoint is another."""
        self._storage.write_bytes(layout.checkpoint(trial_id), data, retry=ONCE)

    def read_checkpoint(self, trial_id: str) -> bytes | None:
        """State of a trial's replicates under way, or None."""
        return self._storage.read_bytes(layout.checkpoint(trial_id))

    def checkpoint_name(self, trial_id: str) -> str:
        """The checkpoint's full name, for messages."""
        return self._storage.where(layout.checkpoint(trial_id))

    def delete_checkpoint(self, trial_id: str) -> None:
        """Forget the state of a trial's replicates under way."""
        self._storage.delete(layout.checkpoint(trial_id))

    def write_failure(self, trial_id: str, failure: Mapping[str, Any]) -> None:
        """Write why an attempt failed. Secrets are hidden.

        error               the error's type
        message             what it says
        traceback           its last lines
        seeds               the replicates that were under way
        peak_memory_bytes   the most memory that the process held, where that is known
        """
        safe = {key: _redacted(value) for key, value in failure.items()}
        self._storage.write_json(layout.failure(trial_id), safe)

    def read_failure(self, trial_id: str) -> dict[str, Any] | None:
        """Why the trial's last attempt failed, as `write_failure` was given it, or None.

        Of a damaged file that it is.
        """
        try:
            content = self._storage.read_json(layout.failure(trial_id))
        except DamagedError as error:
            return {"error": DamagedError.__name__, "message": str(error), "traceback": [], "seeds": []}
        if content is None:
            return None
        failure = {"error": str(content.get("error", "")), "message": str(content.get("message", ""))}
        lists = {}
        for name, kind in (("traceback", str), ("seeds", int)):
            found = content.get(name)
            if isinstance(found, str):
                found = found.splitlines()
            listed = found if isinstance(found, list) else []
            lists[name] = [item for item in listed if isinstance(item, kind)]
        peak = content.get(PEAK_MEMORY)
        numbers = {PEAK_MEMORY: peak} if isinstance(peak, int) else {}
        return {**failure, **lists, **numbers}

    def clear_failure(self, trial_id: str) -> None:
        """Forget a failed attempt."""
        self._storage.delete(layout.failure(trial_id))

    def request_stop(self, trial_id: str, request: StopRequest) -> None:
        """Ask the worker of a trial to end its replicates under way as pruned.

        reason   what stands in their results
        metric   by which the trial fell behind; null: by none
        """
        content = {"reason": request.reason, "metric": request.metric}
        self._storage.write_json(layout.stop_request(trial_id), content, lasting=False)

    def stop_request(self, trial_id: str) -> StopRequest | None:
        """Why a trial is to be stopped, or None where nobody asked for it in words that can be read."""
        try:
            content = self._storage.read_json(layout.stop_request(trial_id))
        except DamagedError:
            return None
        if content is None:
            return None
        metric = content.get("metric")
        return StopRequest(str(content.get("reason", "")), None if metric is None else str(metric))

    def clear_stop_request(self, trial_id: str) -> None:
        """Forget that a trial was to be stopped."""
        self._storage.delete(layout.stop_request(trial_id))


def _redacted(value: object) -> object:
    """A text, or the lines of one, without secrets; any other value as it is."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [_redacted(line) for line in value]
    return value
