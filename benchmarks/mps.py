"""An NVIDIA MPS server, which lets processes use a GPU at the same time instead of in turns."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Mps:
    """A server of this run's own, where the program exists; its clients need `environment`.

    `state` says whether it runs, or why not; `environment` is None then.
    """

    def __init__(self, folder: Path, *, wanted: bool) -> None:
        self.environment: Mapping[str, str] | None = None
        control = shutil.which("nvidia-cuda-mps-control")
        if not wanted or control is None:
            self.state = "not installed" if wanted else "not used"
            return
        self._control, self._folder = control, folder
        names = {"CUDA_MPS_PIPE_DIRECTORY": "pipe", "CUDA_MPS_LOG_DIRECTORY": "log"}
        environment = {variable: str(folder / name) for variable, name in names.items()}
        for path in environment.values():
            Path(path).mkdir(parents=True, exist_ok=True)
        problem = self._run(["-d"], environment)
        self.state = f"could not be started: {problem}" if problem else "started"
        if not problem:
            self.environment = environment

    def _run(self, arguments: list[str], environment: Mapping[str, str], text: str = "") -> str:
        """Empty if it went well, else what the program said.

        It writes to a file: the server it leaves behind would keep a pipe open.
        """
        errors = self._folder / "errors.txt"
        try:
            with errors.open("w") as stream:
                done = subprocess.run(
                    [self._control, *arguments],
                    env={**os.environ, **environment},
                    input=text,
                    text=True,
                    stdout=subprocess.DEVNULL,
                    stderr=stream,
                    timeout=20,
                    check=False,
                )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        return "" if done.returncode == 0 else f"exit code {done.returncode}: {errors.read_text().strip()}"

    def stop(self) -> None:
        """End the server, if it was started."""
        if self.environment is not None:
            self._run([], self.environment, "quit\n")
            self.environment = None
