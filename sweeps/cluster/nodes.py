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

from search_spaces.config import Task, TrialConfig
from search_spaces.errors import DataError, InputError
from search_spaces.labels import BlockLabels
from search_spaces.words import count
from sweeps.cluster.software import plugins_of, short, software_differences, software_with
from trainer.data.survey import Finding, by_data_set
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
    """Check that every live node has this process's software, and the plug-ins of trials.

    Ray is connected. A node takes trials that has the resources of one: its threads in CPUs, and `gpus`.
    Workers check the software of nodes that join later. Returns the nodes.

    Raises InputError with a line per difference that names the node.
    """
    nodes = live_nodes(options.threads, gpus)
    plugins = plugins_of(trials)
    answers = _ask(nodes, _software_probe(plugins), timeout=ANSWER_SECONDS)
    here, expected = socket.gethostname(), software_with(plugins)
    differences: list[str] = []
    for node, answer in answers.items():
        differences += software_differences(node, answer, expected, here)
    _raise(InputError, differences, len(nodes))
    return nodes


def look_on_nodes(
    nodes: Sequence[Node],
    tasks: Sequence[Task],
    if_there: Sequence[Task],
    options: TrialOptions,
    *,
    gpus: float = 0,
) -> dict[Task, Finding]:
    """What the nodes that take trials find of tasks' data, and of those of `if_there` whose files are there.

    All are asked, and decode the data into their caches. A cluster of which no node takes trials yet starts
    one for it. A result names its data's hash, by which nodes that join later are found out.

    Raises DataError, with a line per difference, where they do not find the same.
    """
    workers = [node for node in nodes if node.takes_trials]
    asked = [*tasks, *if_there]
    probe = _data_probe(tasks, if_there, options)
    where = count(len(workers), "node")
    log.info("looking at the data of %s on %s", count(len(asked), "block"), where)
    answers: dict[Node, list[Finding]] = _ask(workers, probe)
    told: dict[Node, dict[str, Finding]] = {}
    for node, found in answers.items():
        told[node] = _by_data_set(asked, found)
    _raise(DataError, data_differences(told), len(workers))
    first: list[Finding] = next(iter(answers.values())) if answers else _ask_a_new_node(probe, options, gpus)
    return dict(zip(asked, first, strict=True))


def _by_data_set(tasks: Sequence[Task], findings: Sequence[Finding]) -> dict[str, Finding]:
    """What two nodes must find alike of each data set: one with a hash, or what is wrong with all."""
    of_task = dict(zip(tasks, findings, strict=True))
    groups = list(by_data_set(tasks))
    names = BlockLabels(blocks[0].with_ratio(None) for _, blocks in groups)
    found: dict[str, Finding] = {}
    for _, blocks in groups:
        of_blocks = [of_task[task] for task in blocks]
        hashed = [finding for finding in of_blocks if finding.sha256 is not None]
        found[names.data_set(blocks[0])] = (hashed or of_blocks)[0]
    return found


def _ask_a_new_node(probe: Callable[[], Any], options: TrialOptions, gpus: float) -> Any:
    """The answer of a node that the cluster starts for it, as it would for a trial."""
    import ray
    from ray.exceptions import RayError

    task = ray.remote(num_cpus=options.threads, num_gpus=gpus, max_retries=0)(probe)
    try:
        return ray.get(task.remote())
    except RayError as error:
        raise InputError(f"expected a node that takes trials: {_reason(error)}") from error


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


def data_differences(told: Mapping[Node, Mapping[str, Finding]]) -> list[str]:
    """A line per node and data set of which it finds something else than most nodes that can train on it.

    Where even, than the first ones.
    """
    by_label: dict[str, dict[Node, Finding]] = {}
    for node, found in told.items():
        for label, finding in found.items():
            by_label.setdefault(label, {})[node] = finding
    lines = []
    for label, answers in by_label.items():
        hashes = [finding.sha256 for finding in answers.values() if finding.sha256 is not None]
        usual, _ = Counter(hashes or map(_compared, answers.values())).most_common(1)[0]
        like = next(node for node, finding in answers.items() if _compared(finding) == usual)
        its = f"has {short(usual)}" if hashes else f"says: {usual}"
        for node, finding in answers.items():
            if _compared(finding) != usual:
                lines.append(f"{node} {_other(finding, label)}, {like} {its}")
    return lines


def _compared(finding: Finding) -> str:
    """What nodes compare of a finding: the data's hash, else why there is none."""
    return finding.sha256 or finding.fault or "nothing"


def _other(finding: Finding, label: str) -> str:
    """What a node does that does not find of a data set what others do."""
    if finding.sha256 is not None:
        return f"loads other data for {label}: {short(finding.sha256)}"
    if finding.is_missing:
        return f"has no data for {label} ({finding.fault})"
    return f"cannot train on {label} ({_compared(finding)})"


def _software_probe(plugins: Sequence[str]) -> Callable[[], dict[str, str]]:
    # A local function travels by value, so that a node without our package says so itself.
    def probe() -> dict[str, str]:
        from sweeps.cluster.software import software_with

        return software_with(plugins)

    return probe


def _data_probe(
    tasks: Sequence[Task], if_there: Sequence[Task], options: TrialOptions
) -> Callable[[], list[Finding]]:
    def probe() -> list[Finding]:
        from trainer.data.survey_pixels import look_at_data

        return look_at_data(tasks, if_there, options.data_dir, download=options.download)

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
    raise kind(f"expected {count(nodes, 'node')} with the same package and data: {shown}")
