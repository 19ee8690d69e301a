"""An image, and the compose stack made of it. They come with `make test-containers` alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import NAME, ROOT, Stack, build, run, say, what_is_missing

# Neither root nor the image's user: the documented commands work for any.
SOMEBODY = 4321


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> Iterator[str]:
    """The image, built; removed at the end."""
    if not pytestconfig.option.markexpr.startswith("containers"):
        pytest.skip("needs a container engine and time: make test-containers")
    missing = what_is_missing()
    if missing is not None:
        say(f"skipped: {missing}")
        pytest.skip(missing)
    name = build()
    yield name
    run(["docker", "image", "rm", "--force", name], check=False)


@pytest.fixture(scope="session")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, with the secrets of somebody else than the image's user; its traces go at the end."""
    made = Stack(tmp_path_factory.mktemp("stack"), image)
    make_secrets(made.secrets, SOMEBODY)
    yield made
    if any(made.left().values()):
        print(made.compose("logs", "--tail", "40", check=False).stdout)
        made.compose("down", "--volumes", "--timeout", "5", check=False)
    assert not any(made.left().values()), NAME


def make_secrets(folder: Path, user: int) -> None:
    """The stack's secrets as a user of this number makes them; as this one's where that is not root."""
    folder.mkdir()
    command = ["bash", str(ROOT / "docker" / "make-secrets.sh"), str(folder)]
    if os.geteuid() != 0:
        subprocess.run(command, check=True)
        return
    # Whatever lies above the folder may be closed to that user: root writes, and gives away.
    subprocess.run(command, check=True)
    for path in (folder, *folder.iterdir()):
        os.chown(path, user, user)
