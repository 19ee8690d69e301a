"""A space's YAML runs nothing, reads nothing, and cannot fill the memory."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from search_spaces.errors import SpaceError
from search_spaces.yaml.space import read_space

Cli = Callable[..., "subprocess.CompletedProcess[str]"]

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
HOSTILE = {
    "python object": "name: !!python/object/apply:os.mkdir ['{marker}']\n",
    "python name": "fixed: !!python/name:os.system\n",
    "python module": "fixed: !!python/module:antigravity\n",
    "new object": "fixed: !!python/object/new:pathlib.Path ['{marker}']\n",
    "binary": "name: !!binary aGVsbG8=\n",
    "own tag": "name: !include /etc/passwd\n",
    "set": "fixed: !!set {dataset, loss}\n",
    "merge": "base: &base {dataset: digits}\nfixed:\n  <<: *base\n",
    "billion laughs": LAUGHS,
    "quadratic": "a: &a " + "x" * 100_000 + "\nfixed: {loss: [" + "*a, " * 200_000 + "1]}\n",
    "itself": "fixed: &f {loss: *f}\n",
    "deep": "fixed: " + "[" * 20_000 + "]" * 20_000,
    "many values": "grid: {loss: [" + "1, " * 300_000 + "1]}\n",
    "long number": "fixed: {epochs: " + "9" * 100_000 + "}\n",
    "several documents": "name: a\n---\nname: b\n",
    "million combinations": "fixed: {dataset: digits}\ngrid:\n"
    + "".join(
        f"  {key}: [{', '.join(str(i) for i in range(1, 120))}]\n" for key in ("epochs", "patience", "ratio")
    )
    + "  loss: [baseline_BCE]\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml_is_one_line_of_error(kind: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "space.yaml", tmp_path / "ran"
    path.write_text(HOSTILE[kind].replace("{marker}", str(marker)))
    with pytest.raises(SpaceError) as refused:
        read_space(path)
    assert not marker.exists()
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600
    assert str(refused.value).startswith(f"{path}: ")


def test_keys_that_command_a_terminal_or_break_the_line(almsweep: Cli, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        'fixed: {dataset: digits, loss: baseline_BCE}\ngrid:\n  "\\e[2Jx\\nalmsweep: all well": [1]\n'
    )
    done = almsweep("plan", path, "--output", tmp_path / "output")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("almsweep: error: ")
    assert "\x1b" not in done.stderr


def test_a_named_pipe_or_a_device_does_not_hang_the_reader(tmp_path: Path) -> None:
    link = tmp_path / "space.yaml"
    link.symlink_to("/dev/zero")
    with pytest.raises(SpaceError, match="expected a file, given a pipe, a socket or a device"):
        read_space(link)
