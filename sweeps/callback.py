"""What the driver does while Ray Tune runs: the display, the tracker, and the weights that are not needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ray import tune

from search_spaces.config import TrialConfig
from sweeps.progress import SweepProgress
from sweeps.tracking import Tracker
from trainer.store import Store


class SweepCallback(tune.Callback):  # type: ignore[misc]
    """Passes a trial's start, epochs and end on to the display and the tracker.

    `on_done` is called with the configuration of every trial whose replicates completed, `check` before every
    step of Tune's loop; what it raises ends the run.
    """

    def __init__(
        self,
        configs: Mapping[str, TrialConfig],
        store: Store,
        progress: SweepProgress,
        tracker: Tracker | None,
        on_done: Callable[[TrialConfig], None],
        check: Callable[[], None],
    ) -> None:
        self.configs = configs
        self.store = store
        self.progress = progress
        self.tracker = tracker
        self.on_done = on_done
        self.check = check

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks with its scratch state, and ours hold connections."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop begins a step."""
        self.check()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has been given to a worker."""
        config = self.configs[trial.config["trial_id"]]
        self.progress.started(config)
        if self.tracker is not None:
            self.tracker.trial_started(config)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A worker has reported the epochs since its last report."""
        config = self.configs[trial.config["trial_id"]]
        if self.tracker is not None and result["records"]:
            self.tracker.epochs(config, result["records"])
        auroc = result.get("ensemble/val/auroc", float("nan"))
        self.progress.epoch(config, result["epoch"], auroc)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial's function has returned: it completed, diverged, or reported an error of ours."""
        config = self.configs[trial.config["trial_id"]]
        result = trial.last_result or {}
        state = result.get("state", "failed")
        if state == "completed":
            self.progress.ended(config)
            self.on_done(config)
        elif state == "pruned":
            self.progress.ended(config, pruned=True)
        else:
            self.progress.ended(config, result.get("error", state))
        if self.tracker is not None:
            self.tracker.trial_finished(config)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good: an exception, or a lost process, once more than is retried."""
        config = self.configs[trial.config["trial_id"]]
        failure = self.store.read_failure(config.trial_id)
        if failure is None:
            failure = _lost_worker(trial)
            self.store.write_failure(config.trial_id, failure)
        self.progress.ended(config, f"{failure['error']}: {failure['message']}")
        if self.tracker is not None:
            self.tracker.trial_finished(config)


def _lost_worker(trial: Any) -> dict[str, Any]:
    """The failure of a trial whose process could leave no word itself."""
    text = str(trial.get_error() or "its process ended without a word")
    return {
        "error": "WorkerLost",
        "message": text.strip().splitlines()[0][:500],
        "traceback": text.splitlines()[-15:],
        "seeds": [],
    }
