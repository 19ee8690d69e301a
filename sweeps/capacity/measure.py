"""Measure one trial in a process of its own, so that its peak memory is the trial's and nothing stays behind.

`python -m sweeps.capacity.measure` reads a request as JSON from standard input and answers in a line of JSON.
"""

from __future__ import annotations

import sys
from dataclasses import asdict

from search_spaces.config import TrialConfig
from search_spaces.config.base import Frozen
from search_spaces.errors import AlmsweepError
from search_spaces.labels import trial_label
from sweeps.child import answer, ask
from trainer.options import TrialOptions
from trainer.trial_needs import TrialNeeds


class Request(Frozen):
    """What to measure, and how it would be run.

    memory    whether peak memory is asked for; on a CPU it takes longer than the time
    bf16      whether a float32 trial is to be measured in bf16 as well, where the device has it
    """

    config: TrialConfig
    trial: TrialOptions
    memory: bool
    bf16: bool = False


def measure(request: Request) -> TrialNeeds:
    """Measure in a new process on this machine. Raises InputError with the reason where that fails."""
    found = ask("sweeps.capacity.measure", request, f"probe of {trial_label(request.config)}")
    return TrialNeeds(**found)


def main() -> None:
    """Answer the request on standard input."""
    import ray.tune  # noqa: F401  # a worker holds it as well
    import torch

    from trainer.device.cpu import prepare_cpu
    from trainer.device.environment import default_device
    from trainer.trial_probe import measure_trial

    request = Request.model_validate_json(sys.stdin.read())
    prepare_cpu(request.trial.threads)
    try:
        needs = measure_trial(
            request.config, default_device(), request.trial, memory=request.memory, bf16=request.bf16
        )
        answer(asdict(needs))
    except (AlmsweepError, MemoryError, torch.OutOfMemoryError) as error:
        answer({"error": str(error).split("\n")[0] or type(error).__name__})


if __name__ == "__main__":
    main()
