"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no failure; the same examples on every run.
hypothesis.settings.register_profile("almsweep", deadline=None, derandomize=True)
hypothesis.settings.load_profile("almsweep")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's cache of prepared data, nor does a process that one starts."""
    os.environ["ALMSWEEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with real images (cifar10, cifar100, breastmnist); the test skips where there is none."""
    folder = os.environ.get("ALMSWEEP_TEST_DATA")
    if folder is None:
        pytest.skip("needs real images: ALMSWEEP_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture
def almsweep() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own: `almsweep("plan", "demo")`."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sweeps.cli", *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        environment.update(options.pop("env", {}))  # type: ignore[arg-type]
        timeout = options.pop("timeout", 300)
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment,
            timeout=timeout,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run
