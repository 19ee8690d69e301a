"""`almsweep` whose trials with a constraint fail with all secrets in the error; see test_secrets.py.

A script of its own, so that Ray ships the function to its processes.
"""

from __future__ import annotations

import os
from typing import Any

import sweeps.driver.tuning
from sweeps.driver.worker import train_trial

NAMES = ("MLFLOW_TRACKING_URI", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "PGPASSWORD")


def leaky_trial(params: dict[str, Any], **rest: Any) -> None:
    """`train_trial`, with an exception in the first epoch of a constrained trial."""
    from trainer.replicate import Replicate

    plain = Replicate.begin_epoch

    def begin_epoch(self: Replicate) -> None:
        if self.setup.config.constraint is None:
            plain(self)
            return
        told = " ".join(f"{name}={os.environ[name]}" for name in NAMES)
        raise ConnectionError(f"nobody answers at {os.environ['MLFLOW_TRACKING_URI']}\nwith {told}")

    Replicate.begin_epoch = begin_epoch  # type: ignore[method-assign]
    try:
        train_trial(params, **rest)
    finally:
        Replicate.begin_epoch = plain  # type: ignore[method-assign]


def main() -> None:
    def injected(params: dict[str, Any], **rest: Any) -> None:
        leaky_trial(params, **rest)

    setattr(sweeps.driver.tuning, "train_trial", injected)  # noqa: B010 (it stands there for this alone)
    from sweeps.cli.main import app

    app()


if __name__ == "__main__":
    main()
