"""Whether all nodes of a cluster run the same code with the same libraries on the same data.

Asked before a sweep starts on a cluster: numbers of nodes that differ must not stand in one table.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from search_spaces.config import DataConfig
from search_spaces.errors import DataError, InputError
from search_spaces.labels import block_key, block_label

log = logging.getLogger(__name__)

PACKAGES = ("search_spaces", "trainer", "sweeps", "analysis")
# A node starts a process and imports torch in this time, or does not answer.
ANSWER_SECONDS = 300.0
SHOWN_DIFFERENCES = 8


@dataclass(frozen=True)
class Node:
    """A node of a Ray cluster, and whether it has the resources for one trial at least."""

    node_id: str
    name: str
    address: str
    takes_trials: bool

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


@cache
def source_sha256() -> str:
    """SHA-256 over names and contents of all Python files of our packages, as this process imports them."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        folders = [] if spec is None else list(spec.submodule_search_locations or ())
        for folder in map(Path, folders):
            for path in sorted(folder.rglob("*.py")):
                digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def software() -> dict[str, str]:
    """Versions of Python, of us, of the libraries that can change a number; our commit and source's hash."""
    import ray

    from trainer.device.environment import git_commit, library_versions

    return {
        **library_versions(),
        "ray": ray.__version__,
        "commit": git_commit(),
        "source": source_sha256(),
    }


def check_nodes(
    data: Iterable[DataConfig],
    *,
    data_dir: str | None,
    download: bool = False,
    cpus: float = 1,
    gpus: float = 0,
) -> list[Node]:
    """Check that every live node has this process's software, and loads every data set alike.

    Ray is connected. Data are asked of nodes that have the resources of one trial only. Workers check the
    software of nodes that join later; a result names its data's hash. Returns the nodes.

    Raises InputError, or DataError for data, with a line per difference that names the node.
    """
    nodes = live_nodes(cpus, gpus)
    answers = _ask(nodes, _software_probe(), timeout=ANSWER_SECONDS)
    here = socket.gethostname()
    _raise(InputError, software_differences(answers, software(), here), len(nodes))
    workers = [node for node in nodes if node.takes_trials]
    blocks = {block_key(_whole(config)): config for config in data}
    log.info("%d nodes have the same software; loading %d data set(s) on each", len(nodes), len(blocks))
    probe = _data_probe(list(blocks.values()), data_dir, download)
    labels = [block_label(_whole(config)) for config in blocks.values()]
    hashes = {node: dict(zip(labels, found, strict=True)) for node, found in _ask(workers, probe).items()}
    _raise(DataError, data_differences(hashes), len(workers))
    return nodes


def live_nodes(cpus: float, gpus: float) -> list[Node]:
    """The living nodes of the connected cluster, by name; whether each can take a trial of this size."""
    import ray

    found = [
        Node(
            node["NodeID"],
            node["NodeManagerHostname"],
            node["NodeManagerAddress"],
            node["Resources"].get("CPU", 0) >= cpus and node["Resources"].get("GPU", 0) >= gpus,
        )
        for node in ray.nodes()
        if node["Alive"]
    ]
    return sorted(found, key=lambda node: (node.name, node.address))


def software_differences(
    answers: Mapping[Node, Mapping[str, str]], expected: Mapping[str, str], here: str
) -> list[str]:
    """A line per node and fact in which it differs from the driver on the host `here`."""
    return [
        f"{node} has {fact} {_short(answer.get(fact, 'unknown'))}, the driver on {here} has {_short(value)}"
        for node, answer in answers.items()
        for fact, value in expected.items()
        if answer.get(fact) != value
    ]


def data_differences(hashes: Mapping[Node, Mapping[str, str]]) -> list[str]:
    """A line per node and data set whose hash is not that of most nodes (of the first ones, where even)."""
    lines = []
    for label in {label: None for answer in hashes.values() for label in answer}:
        usual, _ = Counter(answer[label] for answer in hashes.values()).most_common(1)[0]
        like = next(node for node, answer in hashes.items() if answer[label] == usual)
        lines += [
            f"{node} loads other data for {label}: {_short(answer[label])}, {like} has {_short(usual)}"
            for node, answer in hashes.items()
            if answer[label] != usual
        ]
    return lines


def _software_probe() -> Callable[[], dict[str, str]]:
    # A local function travels by value, so that a node without our package says so itself.
    def probe() -> dict[str, str]:
        from sweeps.cluster.nodes import software

        return software()

    return probe


def _data_probe(
    configs: Sequence[DataConfig], data_dir: str | None, download: bool
) -> Callable[[], list[str]]:
    def probe() -> list[str]:
        from pathlib import Path

        from trainer.data.task import load_task

        folder = None if data_dir is None else Path(data_dir)
        return [load_task(config, folder, download=download).sha256 for config in configs]

    return probe


def _ask(nodes: Sequence[Node], probe: Callable[[], Any], timeout: float | None = None) -> dict[Node, Any]:
    """Every node's answer, all asked at once. Raises InputError with a line per node that gave none."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(probe)
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        asked[node] = task.options(scheduling_strategy=there).remote()
    answers, failures = {}, []
    for node, reference in asked.items():
        try:
            answers[node] = ray.get(reference, timeout=timeout)
        except RayError as error:
            failures.append(f"{node}: {_reason(error)}")
    _raise(InputError, failures, len(nodes))
    return answers


def _reason(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ImportError):
        return f"the package is not installed there, or not whole: {cause}"
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return lines[0] if isinstance(cause, DataError) else f"{type(cause).__name__}: {lines[0]}"


def _raise(kind: type[InputError], lines: Sequence[str], nodes: int) -> None:
    if lines:
        shown = "; ".join(lines[:SHOWN_DIFFERENCES])
        more = "" if len(lines) <= SHOWN_DIFFERENCES else f"; and {len(lines) - SHOWN_DIFFERENCES} more"
        raise kind(f"expected {nodes} node(s) with the same package and data: {shown}{more}")


def _whole(config: DataConfig) -> DataConfig:
    """The data set without what only says how much of it is drawn."""
    return config.model_copy(update={"imbalance_ratio": None, "train_share": 1.0})


def _short(value: str) -> str:
    """A hash by its first digits, anything else as it is."""
    return f"{value[:12]}…" if len(value) == 64 else value
