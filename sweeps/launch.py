"""Launches a sweep on a running Ray cluster, from its head.

One file, which `ray submit` copies there:

    ray submit docker/cluster.yaml sweeps/launch.py -- run paper --gpus-per-trial 0.125 --yes
    ray submit docker/cluster.yaml sweeps/launch.py -- status paper
    ray job submit -- python -m sweeps.launch run paper --yes

The arguments are those of `almsweep`, of the package that is installed on the head. `run` and `retry` become
a Ray job, whose output is shown until it ends; Ctrl-C or a closed terminal ends only the showing. Inside a
job, as in the last line, the sweep runs in that job. Every other command runs at once.

Before it trains, a sweep on a cluster checks that all nodes have the same package, libraries and data. The
exit code is the sweep's own; `ray submit` turns every code but 0 into 1.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

# Set by Ray for the command of a job.
IN_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
BECOMES_A_JOB = ("run", "retry")


def launch_arguments(arguments: Sequence[str], *, in_job: bool) -> list[str]:
    """The arguments for `almsweep`.

    >>> launch_arguments(["run", "demo"], in_job=False)
    ['run', 'demo', '--job']
    >>> launch_arguments(["run", "demo"], in_job=True), launch_arguments(["status"], in_job=False)
    (['run', 'demo'], ['status'])
    """
    commands = [word for word in arguments if not word.startswith("-")]
    becomes_job = not in_job and bool(commands) and commands[0] in BECOMES_A_JOB and "--job" not in arguments
    return [*arguments, "--job"] if becomes_job else list(arguments)


def main() -> None:
    """Entry point of the script."""
    try:
        from sweeps.clash import settle_names

        settle_names()
        from sweeps.cli.main import main as almsweep
    except ImportError as error:
        sys.exit(
            f"launch.py: error: {sys.executable} on {socket.gethostname()} has no almsweep, or not a whole "
            f"one: {error}. docker/setup-node.sh installs it"
        )
    almsweep(launch_arguments(sys.argv[1:], in_job=IN_JOB in os.environ))


if __name__ == "__main__":
    main()
