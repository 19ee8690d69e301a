"""Another process of this interpreter, which runs a module of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def start_module(
    module: str, environment: dict[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """A process that runs a module, spoken with as text through its standard input and output.

    It finds modules where this process does: a Ray worker finds our packages by its own path, which a child
    would not know. The current folder is no place for modules. `environment` is added to this process's.
    """
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        **options,
    )
