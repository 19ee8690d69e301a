"""Private folders: gone when their process ends, and by the next one where it was killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from trainer.scratch import OWNER, clear_leftovers, own_folder, remove_folder

ROOT = Path(__file__).resolve().parents[2]
HOLDER = "import sys, trainer.scratch as s; print(s.own_folder('kind-', sys.argv[1]), flush=True); {}"


def start(folder: Path, then: str) -> tuple[subprocess.Popen[str], Path]:
    """A process that has made a folder of its own, and that folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(then), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_only_its_user_may_look_into_it(tmp_path: Path) -> None:
    folder = own_folder("kind-", tmp_path)
    assert folder.name.startswith("almsweep-kind-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    remove_folder(folder)
    assert not list(tmp_path.iterdir())


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    process, folder = start(tmp_path, "open(f'{next(iter(s._held))}/x', 'w').close()")
    process.communicate()
    assert process.returncode == 0
    assert not folder.exists()


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    process, folder = start(tmp_path, "input()")
    (folder / "below").mkdir()
    (folder / "below" / "file").write_text("x")
    end(process)
    assert (folder / "below" / "file").exists()
    mine = own_folder(base=tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
    remove_folder(mine)


def test_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    process, folder = start(tmp_path, "input()")
    os.kill(process.pid, signal.SIGSTOP)  # it may not even say that it lives
    clear_leftovers(tmp_path)
    assert (folder / OWNER).exists()
    end(process)
    clear_leftovers(tmp_path)
    assert not folder.exists()


def test_a_removal_that_was_cut_short_is_taken_up(tmp_path: Path) -> None:
    process, folder = start(tmp_path, "input()")
    end(process)
    assert os.listdir(folder) == [OWNER]
    clear_leftovers(tmp_path)
    assert not folder.exists()


def test_nothing_else_is_taken_for_a_leftover(tmp_path: Path) -> None:
    results, link, empty = (tmp_path / f"almsweep-{name}" for name in ("results", "link", "empty"))
    for folder in (results, empty):
        folder.mkdir()
    (results / OWNER).write_text("not our words")
    (empty / OWNER).touch()  # of a process that is about to lock it
    process, folder = start(tmp_path / "..", "input()")
    end(process)
    link.symlink_to(folder)
    clear_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([results, link, empty])
    assert (folder / OWNER).exists()
    clear_leftovers(tmp_path.parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_user_s_leftover_is_none_of_ours(tmp_path: Path) -> None:
    process, folder = start(tmp_path, "input()")
    end(process)
    os.chown(folder, 65534, 65534)
    clear_leftovers(tmp_path)
    assert (folder / OWNER).exists()


ANOTHER_USER = """
import os, sys
os.setgid(65534)
os.setuid(65534)
acts = [os.listdir, lambda f: os.mkdir(f + "/x"), lambda f: os.rename(f, f + "x"), os.rmdir]
for folder in sys.argv[1:]:
    for act in acts:
        try:
            act(folder)
            print("in")
        except PermissionError:
            print("out")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_user_gets_in_nowhere() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as shared:
        os.chmod(shared, 0o1777)
        process, folder = start(Path(shared), "input()")
        opened = Path(shared, "open")
        opened.mkdir()
        os.chmod(opened, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", ANOTHER_USER, folder, opened],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
        end(process)
    # Into a folder that is open it gets; the place's sticky bit keeps it from renaming and removing that one.
    assert done.stdout.split() == ["out"] * 4 + ["in", "in", "out", "out"]
