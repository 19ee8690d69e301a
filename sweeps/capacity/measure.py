"""Measure one trial in a process of its own, so that its peak memory is the trial's and nothing stays behind.

`python -m sweeps.capacity.measure` reads a request as JSON from standard input and answers in a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, InputError
from search_spaces.labels import trial_label
from trainer.trial_needs import TrialNeeds

KILLED = 9


@dataclass(frozen=True)
class Request:
    """What to measure, and where its data lie.

    threads   CPU threads of the trial
    memory    whether peak memory is asked for; on a CPU it takes longer than the time
    compile   whether the trial is compiled
    bf16      whether a float32 trial is to be measured in bf16 as well, where the device has it
    """

    config: str
    data_dir: str | None
    download: bool
    threads: int
    memory: bool
    compile: bool = False
    bf16: bool = False


def measure(request: Request) -> TrialNeeds:
    """Measure in a new process on this machine. Raises InputError with the reason where that fails."""
    # A Ray worker finds our packages by its own path, which a child would not know.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "sweeps.capacity.measure"],
        input=json.dumps(asdict(request)),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    what = f"probe of {trial_label(TrialConfig.model_validate_json(request.config))}"
    if done.returncode == -KILLED:
        raise InputError(f"{what}: its process was killed, most likely for want of memory")
    answer: dict[str, Any] = {}
    if done.returncode == 0:
        answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer or not answer:
        told = answer.get("error") or (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise InputError(f"{what}: {told}")
    return TrialNeeds(**answer)


def main() -> None:
    """Answer the request on standard input."""
    import ray.tune  # noqa: F401  # a worker holds it as well
    import torch

    from trainer.device.cpu import prepare_cpu
    from trainer.device.environment import default_device
    from trainer.trial_probe import measure_trial

    request = Request(**json.loads(sys.stdin.read()))
    prepare_cpu(request.threads)
    try:
        needs = measure_trial(
            TrialConfig.model_validate_json(request.config),
            None if request.data_dir is None else Path(request.data_dir),
            default_device(),
            download=request.download,
            memory=request.memory,
            compile=request.compile,
            bf16=request.bf16,
        )
        answer = asdict(needs)
    except (AlmsweepError, MemoryError, torch.OutOfMemoryError) as error:
        answer = {"error": str(error).split("\n")[0] or type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
