"""The command line with a fault built in: `python driver.py FAULT FOLDER run SPACE …`; see `injection`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import sweeps.driver.tuning
from search_spaces.catalog import load_space
from sweeps.cli.main import app
from tests.integration.faults.injection import Injection, faulty_trial

VICTIM = 2  # two trials run at a time: it starts when one of the first has ended


def main() -> None:
    fault, folder, *arguments = sys.argv[1:]
    injection = Injection(fault, load_space(arguments[1]).trials[VICTIM].trial_id, folder)

    def injected(params: dict[str, Any], **rest: Any) -> None:
        # A checkpoint after every epoch, which the command line has no option for.
        trial = rest["options"].trial.model_copy(update={"checkpoint_seconds": 0.0})
        rest["options"] = replace(rest["options"], trial=trial)
        faulty_trial(params, injection, **rest)

    sweeps.driver.tuning.train_trial = injected  # type: ignore[attr-defined]
    app(arguments)


if __name__ == "__main__":
    main()
