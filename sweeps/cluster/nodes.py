"""Whether all nodes of a cluster run the same code with the same libraries on the same data.

Asked before a sweep starts on a cluster: numbers of nodes that differ must not stand in one table.
"""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_spaces.config import DataConfig, TrialConfig
from search_spaces.errors import DataError, InputError
from search_spaces.labels import BlockLabels, block_key
from sweeps.cluster.software import plugins_of, short, software_differences, software_with
from trainer.options import TrialOptions

log = logging.getLogger(__name__)

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


def check_nodes(trials: Sequence[TrialConfig], options: TrialOptions, *, gpus: float = 0) -> list[Node]:
    """Check that every live node has this process's software, trials' plug-ins, and loads all data alike.

    Ray is connected. Data are asked of nodes that have the resources of one trial only: its threads in CPUs,
    and `gpus`. Workers check the software of nodes that join later; a result names its data's hash. Returns
    the nodes.

    Raises InputError, or DataError for data, with a line per difference that names the node.
    """
    nodes = live_nodes(options.threads, gpus)
    plugins = plugins_of(trials)
    answers = _ask(nodes, _software_probe(plugins), timeout=ANSWER_SECONDS)
    here, expected = socket.gethostname(), software_with(plugins)
    differences: list[str] = []
    for node, answer in answers.items():
        differences += software_differences(node, answer, expected, here)
    _raise(InputError, differences, len(nodes))
    workers = [node for node in nodes if node.takes_trials]
    blocks = {block_key(config.data.whole()): config.data for config in trials}
    log.info("%d nodes have the same software; loading %d data set(s) on each", len(nodes), len(blocks))
    probe = _data_probe(list(blocks.values()), options)
    named = BlockLabels(config.whole() for config in blocks.values())
    labels = [named.block(config.whole()) for config in blocks.values()]
    hashes: dict[Node, dict[str, str]] = {}
    for node, found in _ask(workers, probe).items():
        hashes[node] = dict(zip(labels, found, strict=True))
    _raise(DataError, data_differences(hashes), len(workers))
    return nodes


def live_nodes(cpus: float, gpus: float) -> list[Node]:
    """The living nodes of the connected cluster, by name; whether each can take a trial of this size."""
    import ray

    found = []
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            takes_trials = has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus
            name, address = node["NodeManagerHostname"], node["NodeManagerAddress"]
            found.append(Node(node["NodeID"], name, address, takes_trials))
    return sorted(found, key=lambda node: (node.name, node.address))


def data_differences(hashes: Mapping[Node, Mapping[str, str]]) -> list[str]:
    """A line per node and data set whose hash is not that of most nodes (of the first ones, where even)."""
    by_label: dict[str, dict[Node, str]] = {}
    for node, answer in hashes.items():
        for label, found in answer.items():
            by_label.setdefault(label, {})[node] = found
    lines = []
    for label, answers in by_label.items():
        usual, _ = Counter(answers.values()).most_common(1)[0]
        like = next(node for node, found in answers.items() if found == usual)
        for node, found in answers.items():
            if found != usual:
                lines.append(
                    f"{node} loads other data for {label}: {short(found)}, {like} has {short(usual)}"
                )
    return lines


def _software_probe(plugins: Sequence[str]) -> Callable[[], dict[str, str]]:
    # A local function travels by value, so that a node without our package says so itself.
    def probe() -> dict[str, str]:
        from sweeps.cluster.software import software_with

        return software_with(plugins)

    return probe


def _data_probe(configs: Sequence[DataConfig], options: TrialOptions) -> Callable[[], list[str]]:
    def probe() -> list[str]:
        from trainer.data.task import load_task

        found = []
        for config in configs:
            found.append(load_task(config, options.data_dir, download=options.download).sha256)
        return found

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
    if isinstance(cause, DataError):
        return lines[0]
    return f"{type(cause).__name__}: {lines[0]}"


def _raise(kind: type[InputError], lines: Sequence[str], nodes: int) -> None:
    """Raise an error that shows these lines, or the first of many; nothing where there is none."""
    if not lines:
        return
    shown = "; ".join(lines[:SHOWN_DIFFERENCES])
    if len(lines) > SHOWN_DIFFERENCES:
        shown += f"; and {len(lines) - SHOWN_DIFFERENCES} more"
    raise kind(f"expected {nodes} node(s) with the same package and data: {shown}")
