"""A command's private temp folder, and a place for Ray's sockets whatever the temp folder is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sweeps.temp
from search_spaces.errors import RayError
from sweeps.cli.main import app
from sweeps.temp import own_temp, ray_folder

ROOT = Path(__file__).resolve().parents[2]
SOCKET = "session_2026-01-31_23-59-59_123456_4194304/sockets/plasma_store.1"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temp folder with a short path, where nothing of others lies."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def long(below: Path) -> Path:
    folder = below / "net/scratch/people/projectgroup/slurm_jobdir/1355700/tmp.t0016"
    folder.mkdir(parents=True)
    return folder


def test_all_that_a_command_starts_works_in_it_and_nothing_stays(short: Path) -> None:
    with own_temp():
        inside = Path(tempfile.mkdtemp())
        code = "import tempfile; print(tempfile.mkdtemp())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        (mine,) = short.iterdir()
        assert stat.S_IMODE(mine.stat().st_mode) == 0o700
        assert mine in inside.parents
        assert mine in Path(done.stdout.strip()).parents
    assert not list(short.iterdir())
    assert os.environ["TMPDIR"] == str(short)
    assert "RAY_TMPDIR" not in os.environ
    assert Path(tempfile.gettempdir()) == short


def test_inside_another_one_nothing_changes(short: Path) -> None:
    with own_temp():
        before = tempfile.gettempdir()
        with own_temp():
            assert tempfile.gettempdir() == before
        assert Path(before).exists()


def test_it_goes_when_the_command_fails(short: Path) -> None:
    with pytest.raises(KeyboardInterrupt), own_temp():
        raise KeyboardInterrupt
    assert not list(short.iterdir())


def test_ray_lies_in_a_closed_folder_of_the_temp_folder(short: Path) -> None:
    with ray_folder() as folder:
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        assert folder.parent.parent == short
    assert not list(short.iterdir())


def test_where_the_temp_folder_s_path_is_long_ray_lies_in_a_common_one(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = short / "c"
    common.mkdir()
    monkeypatch.setattr(sweeps.temp, "_COMMON", (str(common),))
    monkeypatch.setattr(tempfile, "tempdir", str(long(short)))
    with ray_folder() as folder:
        assert common in folder.parents
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        assert len(os.fsencode(folder / SOCKET)) <= 107
    assert not list(common.iterdir())


def test_ray_s_own_variable_comes_first(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = short / "asked"
    asked.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(asked))
    with ray_folder() as folder:
        assert asked in folder.parents
    assert os.environ["RAY_TMPDIR"] == str(asked)


def test_where_no_place_will_do_a_line_says_so(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps.temp, "_COMMON", ("/nowhere",))
    monkeypatch.setattr(tempfile, "tempdir", str(long(short)))
    with (
        pytest.raises(RayError, match=r"at most 21 bytes .*tmp\.t0016, .* RAY_TMPDIR") as caught,
        ray_folder(),
    ):
        raise AssertionError
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [["train"], ["plan", "demo"]])
def test_no_temp_folder_at_all_is_one_line(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "almsweep: error: expected a temp folder that can be written, found none" in result.output
    assert "Traceback" not in result.output


def test_a_home_folder_that_cannot_be_written_makes_no_noise(short: Path) -> None:
    code = (
        "from sweeps.temp import own_temp\n"
        "with own_temp():\n"
        "    import matplotlib\n"
        "    matplotlib.get_cachedir()\n"
    )
    environment = {**os.environ, "HOME": "/nonexistent"}
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stderr == ""
    assert not list(short.iterdir())
