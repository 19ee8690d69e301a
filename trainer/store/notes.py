"""What stands beside a trial while it is not done: checkpoint, failure, request to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.redaction import redacted
from trainer.store.retry import ONCE
from trainer.store.storage import Storage


@dataclass(frozen=True)
class StopRequest:
    """Why a trial is to be stopped, and the metric by which it fell behind ("val/auroc"); None: by none."""

    reason: str
    metric: str | None = None


class TrialNotes(Storage):
    """The part of the store that holds what is passing: each is deleted when its trial is done."""

    def write_checkpoint(self, trial_id: str, data: bytes) -> None:
        """Write the state of a trial's replicates under way, in one try: the next checkpoint is another."""
        self.write_bytes(f"trials/{trial_id}/checkpoint.pt", data, retry=ONCE)

    def read_checkpoint(self, trial_id: str) -> bytes | None:
        """State of a trial's replicates under way, or None."""
        return self.read_bytes(f"trials/{trial_id}/checkpoint.pt")

    def checkpoint_name(self, trial_id: str) -> str:
        """The checkpoint's full name, for messages."""
        return self.where(f"trials/{trial_id}/checkpoint.pt")

    def delete_checkpoint(self, trial_id: str) -> None:
        """Forget the state of a trial's replicates under way."""
        self.delete(f"trials/{trial_id}/checkpoint.pt")

    def write_failure(self, trial_id: str, failure: Mapping[str, Any]) -> None:
        """Write why an attempt failed: error, message, traceback, seeds. Secrets are hidden."""
        safe = {
            key: redacted(value)
            if isinstance(value, str)
            else [redacted(line) if isinstance(line, str) else line for line in value]
            if isinstance(value, list)
            else value
            for key, value in failure.items()
        }
        self.write_json(f"trials/{trial_id}/failure.json", safe)

    def read_failure(self, trial_id: str) -> dict[str, Any] | None:
        """Why the trial's last attempt failed, or None."""
        return self.read_json(f"trials/{trial_id}/failure.json")

    def clear_failure(self, trial_id: str) -> None:
        """Forget a failed attempt."""
        self.delete(f"trials/{trial_id}/failure.json")

    def request_stop(self, trial_id: str, request: StopRequest) -> None:
        """Ask the worker of a trial to end its replicates under way as pruned, for this reason."""
        self.write_json(f"trials/{trial_id}/stop.json", {"reason": request.reason, "metric": request.metric})

    def stop_request(self, trial_id: str) -> StopRequest | None:
        """Why a trial is to be stopped, or None where nobody asked for it."""
        content = self.read_json(f"trials/{trial_id}/stop.json")
        if content is None:
            return None
        metric = content.get("metric")
        return StopRequest(str(content.get("reason", "")), None if metric is None else str(metric))

    def clear_stop_request(self, trial_id: str) -> None:
        """Forget that a trial was to be stopped."""
        self.delete(f"trials/{trial_id}/stop.json")
