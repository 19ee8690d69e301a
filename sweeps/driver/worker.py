"""The function that Ray Tune runs for every trial, on a worker."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, InputError, Interrupted
from search_spaces.redaction import redacted
from sweeps.driver.claim import Claimant
from sweeps.driver.stop import StopQuestion, is_given_up
from sweeps.driver.watchdog import Watchdog

if TYPE_CHECKING:
    from trainer.fit import Round
    from trainer.options import TrialOptions
    from trainer.store import Store

log = logging.getLogger(__name__)

HUNG_EXIT_CODE = 70
OUT_OF_MEMORY = "out of memory"
GIVEN_UP = "given up"
ELSEWHERE = "trained elsewhere"
# Between two looks at a trial that another sweep trains.
CLAIM_SECONDS = 5.0
PEAK_MEMORY = "peak_memory_bytes"


@dataclass(frozen=True)
class WorkerOptions:
    """What every trial of a sweep needs to know about where it runs.

    output          the result store's path or URI
    trial           how each trial is run
    use_gpu         whether trials were given a share of a GPU
    report_seconds  least time between two reports to Ray
    stoppable       whether a scheduler may ask for a trial's end; every epoch is reported then
    software        what `sweeps.cluster.software` says on the driver; another one fails the trial
    claimant        for whom trials are claimed in the store; None: for nobody
    waits           whether a trial that another sweep trains just now is waited for, or left
    """

    output: str
    trial: TrialOptions
    use_gpu: bool = False
    report_seconds: float = 1.0
    stoppable: bool = False
    software: Mapping[str, str] | None = None
    claimant: Claimant | None = None
    waits: bool = False


def train_trial(
    params: dict[str, Any], *, configs: Mapping[str, str], options: WorkerOptions, stop_flag: Any
) -> None:
    """Train one trial's missing replicates and report its epochs to Ray Tune.

    `params["trial_id"]` names one of `configs` (JSON by trial id). Every report carries the epochs since the
    last one under "records", a record per replicate and epoch, and a "state". An error of ours (bad data, a
    full store) and exhausted memory are reported, so that the process can be used again; any other exception
    ends the process, and Tune tries once more. So does a hung epoch. The last report says "done", by which
    Tune gives the process its next trial at once instead of asking whether this one goes on.
    """
    from ray import tune

    from trainer.device.cpu import prepare_cpu
    from trainer.store import Retry, Store

    prepare_cpu(options.trial.threads)
    # A search knows its configurations only one after another, and gives each with its trial.
    config = TrialConfig.model_validate_json(params.get("config") or configs[params["trial_id"]])
    watchdog = Watchdog(lambda limit: _leave_hung(store, config, limit), least=options.trial.hang_seconds)
    # An outage of the storage is no hung epoch, however long its calls are repeated.
    store = Store(options.output, retry=Retry(sleep=watchdog.pause))
    reporter = _Reporter(0.0 if options.stoppable else options.report_seconds)
    outcome = {"state": GIVEN_UP}
    if not is_given_up(stop_flag, config.trial_id):
        should_stop = StopQuestion(stop_flag)
        left = _claim(config, Store(options.output), options, should_stop)
        outcome = {"state": left or ""}
        if left is None:
            try:
                outcome = _attempt(config, store, options, reporter, watchdog, should_stop)
            finally:
                if options.claimant is not None:
                    options.claimant.release(Store(options.output), config.trial_id)
    if outcome["state"] == OUT_OF_MEMORY:  # not before: the error's traceback held all that took memory
        _free_memory()
    tune.report({"records": reporter.take(), **outcome, **reporter.latest, "done": True})


def _claim(
    config: TrialConfig, store: Store, options: WorkerOptions, should_stop: Callable[[], bool]
) -> str | None:
    """Claim a trial. None where that worked, else in which state it is left: ELSEWHERE, or "interrupted"."""
    while options.claimant is not None and options.claimant.claim(store, config.trial_id) is not None:
        if not options.waits:
            return ELSEWHERE
        if should_stop():
            return "interrupted"
        time.sleep(CLAIM_SECONDS)
    return None


def _attempt(
    config: TrialConfig,
    store: Store,
    options: WorkerOptions,
    reporter: _Reporter,
    watchdog: Watchdog,
    should_stop: StopQuestion,
) -> dict[str, str]:
    """Run the trial; its state, and its error where that is one after which the process can be used again."""
    from trainer.device.environment import is_out_of_memory

    try:
        _check_software(options.software)
        with watchdog:
            return {"state": _train(config, store, options, reporter, watchdog, should_stop)}
    except Interrupted:
        return {"state": "interrupted"}
    except AlmsweepError as error:
        return {"state": "failed", "error": str(error)}
    except Exception as error:
        if is_out_of_memory(error):
            return {"state": OUT_OF_MEMORY, "error": str(error).split("\n")[0] or type(error).__name__}
        text = redacted(str(error))
        if text != str(error):  # Ray writes what ends a process into its logs
            raise RuntimeError(f"{type(error).__name__}: {text}") from None
        raise


def _free_memory() -> None:
    """Let go of what the process held for its trials, on the GPU too."""
    import torch

    from trainer.setup import let_go

    let_go()
    if torch.cuda.is_available():
        with suppress(RuntimeError):
            torch.cuda.empty_cache()


def _check_software(expected: Mapping[str, str] | None) -> None:
    """Raise InputError on a node, one that joined late for instance, that differs from the driver."""
    from sweeps.cluster.software import asked_plugins, software_differences, software_with

    if expected is None:
        return
    found = software_with(asked_plugins(expected))
    lines = software_differences(socket.gethostname(), found, expected, "its host")
    if lines:
        raise InputError(f"expected the driver's package and libraries: {'; '.join(lines)}")


def _train(
    config: TrialConfig,
    store: Store,
    options: WorkerOptions,
    reporter: _Reporter,
    watchdog: Watchdog,
    should_stop: StopQuestion,
) -> str:
    """Run the trial; returns its status then: "done", "diverged" or "pruned"."""
    import torch

    from trainer.store import standing
    from trainer.trial import StopTrial, run_trial

    def on_round(round_: Round) -> None:
        watchdog.beat()
        reporter.add(round_)
        # Tune has decided about the epoch by the time that the report returns.
        if options.stoppable:
            request = store.notes.stop_request(config.trial_id)
            if request is not None:
                raise StopTrial(request.reason, request.metric)

    if options.stoppable:
        store.notes.clear_stop_request(config.trial_id)  # one of an earlier run is none of this one's
    device = torch.device("cuda" if options.use_gpu else "cpu")
    states = run_trial(config, store, device, options.trial, on_round, should_stop, watchdog.resume)
    if options.stoppable:
        store.notes.clear_stop_request(config.trial_id)
    return standing(config.seeds, states).status


def _leave_hung(store: Store, config: TrialConfig, limit: float) -> None:
    """End this process, whose training thread cannot be ended otherwise; Tune goes on from the checkpoint."""
    message = f"no epoch ended for {limit:.0f} s, the limit after this trial's earlier ones"
    try:
        store.notes.write_failure(
            config.trial_id,
            {"error": "EpochTimeout", "message": message, "traceback": [], "seeds": list(config.seeds)},
        )
    finally:
        log.error("trial %s: %s", config.trial_id, message)
        os._exit(HUNG_EXIT_CODE)


class _Reporter:
    """Gathers rounds and passes them to Ray at a bounded rate."""

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.waiting: list[dict[str, Any]] = []
        self.latest: dict[str, Any] = {"epoch": -1}
        self.last = time.monotonic()

    def add(self, round_: Round) -> None:
        """An epoch has ended; it is reported now, or with a later one."""
        from ray import tune

        from trainer.device.environment import peak_memory_bytes

        self.waiting.extend(dict(record) for record in round_.records.values())
        self.latest = {"epoch": round_.epoch, **round_.ensemble, PEAK_MEMORY: peak_memory_bytes()}
        if time.monotonic() - self.last >= self.interval:
            self.last = time.monotonic()
            tune.report({"records": self.take(), "state": "running", **self.latest})

    def take(self) -> list[dict[str, Any]]:
        """The records that were not reported yet; they count as reported then."""
        waiting, self.waiting = self.waiting, []
        return waiting
