"""`make-secrets.sh`, `stage.sh` and `setup-node.sh`, with a fake Python that records its calls."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE

OPTIONS = ["--flavour", "cuda", "--output", "/shared/it's; $(touch oops)", "--data", "/shared/data"]


def test_secrets_are_random_private_and_kept(container: Any) -> None:
    folder = container.folder / "secrets"
    first = container.run("make-secrets.sh", str(folder))
    assert first.returncode == 0
    values = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(values) == {"ray_token", "postgres_password", "mlflow_password", "mlflow_session_key"}
    assert len(set(values.values())) == 4
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in values.values())
    assert_guarded_by_the_folder(folder)
    (folder / "ray_token").unlink()
    second = container.run("make-secrets.sh", str(folder))
    again = {path.name: path.read_text() for path in folder.iterdir()}
    assert again.pop("ray_token") != values.pop("ray_token")
    assert again == values
    printed = first.stdout + first.stderr + second.stdout + second.stderr
    assert not any(value in printed for value in values.values())


def assert_guarded_by_the_folder(folder: Path) -> None:
    """Nobody else passes the folder; a container, which sees a file alone, may be any user."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_secrets_of_before_become_readable_for_containers(container: Any) -> None:
    folder = container.folder / "secrets"
    folder.mkdir(mode=0o755)
    (folder / "ray_token").write_text("kept")
    (folder / "ray_token").chmod(0o600)
    (folder / "mlflow_password").touch(mode=0o444)  # left empty by a full disk
    assert container.run("make-secrets.sh", str(folder)).returncode == 0
    assert (folder / "ray_token").read_text() == "kept"
    assert len((folder / "mlflow_password").read_text()) == 64
    assert_guarded_by_the_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users: needs root")
@pytest.mark.parametrize("owner", [1000, 4321])
def test_secrets_are_readable_as_another_user_beyond_the_folder_only(container: Any, owner: int) -> None:
    other = {"user": 2345, "group": 2345, "capture_output": True, "timeout": PATIENCE}
    with tempfile.TemporaryDirectory() as place:  # not below pytest's folders, which are closed to others
        Path(place).chmod(0o755)
        folder = Path(place, "secrets")
        folder.mkdir()
        os.chown(folder, owner, owner)
        assert container.run("make-secrets.sh", str(folder)).returncode == 0
        closed = subprocess.run(["cat", str(folder / "ray_token")], **other)
        assert b"denied" in closed.stderr
        # As a container sees it: the file without its folder.
        beyond = Path(place, "ray_token")
        os.link(folder / "ray_token", beyond)
        seen = subprocess.run(["cat", str(beyond)], **other)
        assert seen.stdout.decode() == beyond.read_text()


def test_secrets_need_a_folder(container: Any) -> None:
    assert container.run("make-secrets.sh").returncode == 64
    (container.folder / "file" / "ray_token").mkdir(parents=True)
    done = container.run("make-secrets.sh", str(container.folder / "file"))
    assert done.returncode == 64
    assert "expected a file, found a folder" in done.stderr


@pytest.fixture
def host(container: Any, docker: Path) -> Any:
    """A cluster host to which `ray up` has copied the staged folder and the token."""
    stage = container.folder / "stage"
    staged = container.run("stage.sh", str(stage))
    assert staged.returncode == 0, staged.stderr
    (container.home / ".ray").mkdir()
    token = container.home / ".ray" / "auth_token"
    token.write_text("the-token")
    token.chmod(0o644)
    container.log.write_text("")
    container.setup = str(stage / "setup-node.sh")
    return container


def installs(host: Any) -> list[list[str]]:
    """The `pip install` calls so far, without the words that all share."""
    words = {"-m", "pip", "install", "--quiet", "--no-deps"}
    found = [call["argv"] for call in host.calls() if "install" in call["argv"]]
    return [[word.rpartition("/")[2] for word in argv if word not in words] for argv in found]


def shell(host: Any, command: str) -> str:
    """Output of a command in a new shell, started as Ray starts its own on a host."""
    argv = ["bash", "--login", "-c", f"source ~/.bashrc; {command}"]
    done = subprocess.run(
        argv, env=host.env, capture_output=True, text=True, timeout=PATIENCE, cwd=host.folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_stage_holds_what_a_host_needs(host: Any, docker: Path) -> None:
    stage = host.folder / "stage"
    assert {path.name for path in stage.iterdir()} == {
        *("COMMIT", "almsweep-0-py3-none-any.whl", "entrypoint.sh", "setup-node.sh"),
        *("requirements.txt", "requirements-cpu.txt", "requirements-cuda.txt"),
    }
    assert (stage / "requirements.txt").read_bytes() == (docker / "requirements.txt").read_bytes()
    assert re.fullmatch(r"([0-9a-f]{40}(-dirty)?|unknown)\n", (stage / "COMMIT").read_text())


@pytest.mark.parametrize("flavour", ["cpu", "cuda"])
def test_setup_installs_the_lock_once(host: Any, flavour: str) -> None:
    options = ["--flavour", flavour, *OPTIONS[2:]]
    done = host.run(host.setup, *options)
    assert done.returncode == 0, done.stderr
    torch = {
        "cuda": ["--require-hashes", "-r", "requirements-cuda.txt"],
        "cpu": ["--index-url", "cpu", "-r", "requirements-cpu.txt"],
    }
    expected = [
        ["--require-hashes", "-r", "requirements.txt"],
        torch[flavour],
        ["--no-index", "almsweep-0-py3-none-any.whl"],
    ]
    assert installs(host) == expected
    assert host.run(host.setup, *options).returncode == 0
    assert installs(host) == expected
    (host.folder / "stage" / "almsweep-0-py3-none-any.whl").write_text("changed")
    assert host.run(host.setup, *options).returncode == 0
    assert installs(host) == expected * 2


def test_setup_takes_the_cpu_builds_from_a_mirror(host: Any) -> None:
    done = host.run(
        host.setup, "--flavour", "cpu", *OPTIONS[2:], ALMSWEEP_CPU_INDEX="http://mirror.local/wheels"
    )
    assert done.returncode == 0, done.stderr
    assert ["--index-url", "wheels", "-r", "requirements-cpu.txt"] in installs(host)


def test_setup_that_failed_is_done_again(host: Any) -> None:
    wheel = host.folder / "stage" / "almsweep-0-py3-none-any.whl"
    python = host.bin / "python3"
    fake = python.resolve()
    python.unlink()
    python.write_text(f'#!/bin/bash\n[[ $2 != venv ]] || exit 9\nexec "{fake}" "$@"\n')
    python.chmod(0o755)
    assert host.run(host.setup, *OPTIONS).returncode == 9
    assert wheel.exists()
    python.unlink()
    python.symlink_to(fake)
    assert host.run(host.setup, *OPTIONS).returncode == 0
    assert len(installs(host)) == 3


def test_setup_gives_shells_the_environment(host: Any) -> None:
    (host.home / ".bashrc").write_text("case $- in *i*) ;; *) return ;; esac\nexport LATER=1\n")
    for _ in range(2):
        assert host.run(host.setup, *OPTIONS, "--gpus-per-trial", "0.125").returncode == 0
    assert shell(host, 'printf %s "$ALMSWEEP_OUTPUT"') == OPTIONS[3]
    assert not (host.folder / "oops").exists()
    assert shell(host, "echo $RAY_AUTH_MODE $ALMSWEEP_DATA") == "token /shared/data"
    assert shell(host, "echo $ALMSWEEP_GPUS_PER_TRIAL") == "0.125"
    assert shell(host, "command -v python") == f"{host.home}/.almsweep/venv/bin/python"
    assert shell(host, "echo $ALMSWEEP_COMMIT") == (host.folder / "stage" / "COMMIT").read_text().strip()
    bashrc = (host.home / ".bashrc").read_text()
    assert bashrc.count("almsweep/environment") == 1
    assert bashrc.endswith("export LATER=1\n")
    assert (host.home / ".ray" / "auth_token").stat().st_mode & 0o077 == 0
    assert "the-token" not in (host.home / ".almsweep" / "environment").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--flavour", "gpu", *OPTIONS[2:]], "--flavour: expected cpu or cuda, given 'gpu'"),
        (OPTIONS[:4], "--output and --data are needed"),
        ([*OPTIONS, "--colour", "red"], "unknown option --colour"),
        ([*OPTIONS, "--data"], "--data: expected a value"),
        ([*OPTIONS, "--tracking-uri", "http://u:hunter2@mlflow"], "--tracking-uri holds credentials"),
    ],
)
def test_setup_refuses_bad_options(host: Any, options: list[str], message: str) -> None:
    done = host.run(host.setup, *options)
    assert done.returncode == 64
    assert message in done.stderr
    assert "hunter2" not in done.stderr
    assert installs(host) == []


def test_setup_refuses_a_host_without_a_token(host: Any) -> None:
    (host.home / ".ray" / "auth_token").write_text("")
    done = host.run(host.setup, *OPTIONS)
    assert done.returncode == 64
    assert "no Ray token" in done.stderr
