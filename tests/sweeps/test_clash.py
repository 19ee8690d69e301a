"""Modules of the user's that are called like our packages: left out, or said in one line."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / "sweeps" / "command"
AS_INSTALLED = f"import sys; sys.path += [{str(ROOT)!r}, {str(COMMAND)!r}]; import almsweep; almsweep.main()"
SPACE = "fixed: {dataset: digits, model.width: 2, epochs: 1, seeds: [1]}\ngrid: {loss: [baseline_BCE]}\n"


def run(folder: Path, path: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    """`almsweep` with these words in a folder, by default `--version`; PYTHONPATH as given."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = path
    return subprocess.run(
        [sys.executable, "-P", "-c", AS_INSTALLED, *(words or ["--version"])],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=PATIENCE,
        check=False,
    )


def occupy(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    if name.endswith(".py"):
        (folder / name).write_text("raise RuntimeError('not ours')\n")
    else:
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()


@pytest.mark.parametrize("name", ["trainer.py", "analysis", "sweeps.py"])
def test_the_current_folder_is_left_out_and_a_line_says_so(tmp_path: Path, name: str) -> None:
    occupy(tmp_path, name)
    done = run(tmp_path, ".")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert f"{name} in the current folder has the name of one of almsweep's packages" in line


def test_beside_the_call_it_is_in_nobody_s_way(tmp_path: Path) -> None:
    occupy(tmp_path, "trainer.py")
    (tmp_path / "space.yaml").write_text(SPACE)
    done = run(tmp_path, None, "plan", "space.yaml")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["trainer.py", "sweeps.py", "search_spaces"])
def test_another_folder_is_bad_input(tmp_path: Path, name: str) -> None:
    other = tmp_path / "mine"
    occupy(other, name)
    done = run(tmp_path, str(other))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("almsweep: error: expected almsweep's own package")
    assert str(other / name) in line


def test_our_own_checkout_is_no_clash(tmp_path: Path) -> None:
    done = run(tmp_path, str(ROOT))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_current_folder_that_was_deleted_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    call = f"cd {gone} && rmdir {gone} && exec {sys.executable} -P -c {shlex.quote(AS_INSTALLED)} --version"
    done = subprocess.run(
        ["sh", "-c", call], capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=tmp_path
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "the current one was deleted" in line
