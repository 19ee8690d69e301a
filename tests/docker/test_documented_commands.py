"""Every `almsweep` command of the documentation and the cluster files is one that the command line parses."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from search_spaces.catalog import load_space
from sweeps.cli.main import app
from sweeps.launch import launch_arguments

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    "README.md",
    "docs/cluster.md",
    "docs/export.md",
    "docs/your-data.md",
    "docker/cluster.yaml",
    "docker/cluster-aws.yaml",
    "docker/compose.yaml",
]
COMMANDS = "run|retry|status|logs|cancel|plan|tables|ui|reconcile|train|evaluate|export|predict|data"
OURS = re.compile(rf"(?:almsweep-entrypoint|\balmsweep|launch\.py(?: --)?) ((?:{COMMANDS})\b.*)$")


def parse(arguments: list[str]) -> dict[str, Any]:
    """The values of a command's options; raises what the command line shows as a usage error."""
    group = typer.main.get_command(app)
    name, *rest = arguments
    assert name in group.commands, f"no command {name!r}"  # type: ignore[attr-defined]
    command = group.commands[name]  # type: ignore[attr-defined]
    return dict(command.make_context(name, list(rest)).params)


@cache
def trial_count(space: str) -> int:
    return len(load_space(space).trials)


def documented(text: str) -> list[str]:
    """Command lines of ours in a text: after `almsweep`, `almsweep-entrypoint` or `launch.py --`."""
    flat = re.sub(r"\n#? {2,3}(?=\S)", " ", text)  # a line of prose that goes on
    lines = re.findall(r"^(?: {4}|# +)(.*)$", text, re.MULTILINE) + re.findall(r"`([^`\n]+)`", flat)
    found = []
    for line in lines:
        match = OURS.search(line.partition(" #")[0])
        command = match[1].replace("…", "").strip() if match else ""
        if " " in command:  # else a command is named, not shown
            found.append(command)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_documented_commands_parse(source: str) -> None:
    commands = documented((ROOT / source).read_text())
    assert commands, f"{source} shows no command"
    for command in commands:
        values = parse(launch_arguments(shlex.split(command), in_job=False))
        space = values.get("space")
        if space in ("paper", "demo", "paper-published"):
            assert trial_count(space) > 0


def test_cluster_file_shows_the_launch() -> None:
    lines = documented((ROOT / "docker" / "cluster.yaml").read_text())
    assert "run paper --gpus-per-trial 0.125 --yes" in lines


def test_aws_launch_needs_neither_data_nor_a_server_that_are_not_there() -> None:
    text = (ROOT / "docker" / "cluster-aws.yaml").read_text()
    (launch,) = [line for line in documented(text) if line.startswith("run ")]
    values = parse(shlex.split(launch))
    assert values["download"], "new machines have no data"
    assert "--output s3://" in text
    assert values["no_tracking"], "a bucket holds no MLflow database"


def test_rayjob_entrypoint_parses() -> None:
    documents = yaml.safe_load_all((ROOT / "docker" / "rayjob.yaml").read_text())
    (job,) = [document for document in documents if document["kind"] == "RayJob"]
    program, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert program == "almsweep"
    values = parse(arguments)
    assert (values["space"], values["address"], values["yes"], values["job"]) == (
        "paper",
        "auto",
        True,
        False,
    )
    assert values["gpus_per_trial"] == 0.125
    assert values["download"], "the claim is empty at first"


def test_unknown_options_are_found() -> None:
    with pytest.raises(Exception, match="No such option: --colour"):
        parse(["run", "demo", "--colour", "red"])
    assert documented("    almsweep run paper --yes   # all\n") == ["run paper --yes"]
    assert documented("# head: ray submit c.yaml launch.py -- run demo\n") == ["run demo"]
