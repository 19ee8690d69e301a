"""A sweep on two nodes with losses, models, sources and augmentations of another package."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.faults.cluster import running_cluster
from tests.plugins import install

pytestmark = pytest.mark.group(name="packing")

ROOT = Path(__file__).parents[2]
SPACE = """
fixed:
  data:
    source: {name: stripes, examples: 400}
    negative: [0]
    positive: [1]
    imbalance_ratio: 4
    validation_per_class: 30
    test_per_class: 30
  model: {name: patches, depth: 4}
  augmentation: {crop_padding: 1, horizontal_flip: 0, then: [{name: darken, most: 0.3}]}
  epochs: 2
  seeds: [1, 2]
grid:
  loss: [baseline_BCE, {name: squared}, {name: squared, temperature: 2}]
  alm: [none, ALM_14_beg]
"""

Ended = subprocess.CompletedProcess[str]
Cli = Callable[..., Ended]


def environment(*folders: Path) -> dict[str, str]:
    """That of a process which finds what is installed in these folders."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*folders, ROOT]))}
    found.pop("RAY_ADDRESS", None)
    return found


def run(almsweep: Cli, space: Path, output: Path, *options: object, env: dict[str, str]) -> Ended:
    # Else Ray takes the host's outer address for its loopback one, where the cluster does not listen.
    settings = {**env, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    command = ("run", space, "--output", output, "--no-tracking", "--yes", *options)
    return almsweep(*command, env=settings)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "stripes.yaml"
    path.write_text(SPACE)
    return path


def test_two_nodes_train_with_it_and_results_read_without_it(
    almsweep: Cli, tmp_path: Path, space: Path
) -> None:
    output = tmp_path / "output"
    with_plugin, without = environment(install(tmp_path / "installed")), environment()
    with running_cluster(with_plugin) as cluster:
        ran = run(almsweep, space, output, "--address", cluster.address, env=with_plugin)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 done, 0 partial, 0 failed, 0 pending" in ran.stdout
    found = []
    for there in (with_plugin, without):
        made = almsweep("tables", "stripes", "--output", output, env=there)
        assert made.returncode == 0, made.stdout + made.stderr
        found.append(tables(output))
    assert found[0] == found[1]
    assert b"Squared + ALM" in found[0]["best.csv"]
    tracking = ("--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for command in (("status", "stripes"), ("reconcile", "stripes", *tracking)):
        told = almsweep(*command, "--output", output, env=without)
        assert told.returncode == 0, told.stdout + told.stderr
    refused = run(almsweep, space, output, env=without)
    assert refused.returncode == 2
    assert "source.name: expected one of cifar10" in refused.stderr


def tables(output: Path) -> dict[str, bytes]:
    folder = output / "tables" / "stripes"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "has plug-in almsweep-example none"), ("1.3", "has plug-in almsweep-example 1.3 with source")],
)
def test_a_node_without_it_is_named_before_anything_trains(
    version: str | None, said: str, almsweep: Cli, tmp_path: Path, space: Path
) -> None:
    output, mine = tmp_path / "output", environment(install(tmp_path / "installed"))
    other = [] if version is None else [install(tmp_path / "other", version=version)]
    second = {"PYTHONPATH": environment(*other)["PYTHONPATH"]}
    with running_cluster(mine, second=second) as cluster:
        refused = run(almsweep, space, output, "--address", cluster.address, env=mine)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert f"{socket.gethostname()} (127.0.0.1) {said}" in refused.stderr
    assert f"the driver on {socket.gethostname()} has 1.2 with source" in refused.stderr
    assert not list(output.glob("trials/*/replicates"))
