"""Whether a cluster can hold a trial: with the nodes it has, or with those that its autoscaler may start."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search_spaces.errors import InputError
from sweeps.compat import autoscaler_config

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
# A resource that Ray gives to the head alone.
HEAD_MARK = "node:__internal_head__"
NodeTypes = Mapping[str, Mapping[str, Any]]


def check_resources(
    nodes: Sequence[Mapping[str, float]],
    cpus: int,
    gpus: float | None,
    startable: Callable[[], NodeTypes],
) -> None:
    """Check that one trial fits: on one of the nodes that are there, else on one that can be started.

    nodes       the resources of each node that is there, as Ray names them
    gpus        share of a GPU per trial; None: not said, and taken from what there is
    startable   asked when that is not enough: the types of nodes that can be started

    Raises InputError that names the option.
    """

    def holds(node: Mapping[str, float]) -> bool:
        return cpus <= node.get("CPU", 0.0) and (gpus or 0.0) <= node.get("GPU", 0.0)

    if any(map(holds, nodes)):
        return
    types = [kind.get("resources", {}) for kind in startable().values()]
    if any(map(holds, types)):
        has_gpus = any(kind.get("GPU", 0) for kind in types)
        if gpus is None and has_gpus:
            raise InputError(
                "--gpus-per-trial: expected a share of a GPU, like 0.25, given none: this cluster starts its "
                "GPUs on demand, so there is none yet on which a trial's memory could be measured"
            )
        return
    beside = ""
    if types:
        beside = f" and can start nodes with {_words(types)}"
    for name, need, resource in (("--gpus-per-trial", gpus or 0.0, "GPU"), ("--cpus-per-trial", cpus, "CPU")):
        most = max((node.get(resource, 0.0) for node in nodes), default=0.0)
        if need > most:
            raise InputError(f"{name}: a trial wants {need:g}, the largest node has {most:g}{beside}")
    raise InputError(
        f"--cpus-per-trial, --gpus-per-trial: no node has {cpus} CPUs and {gpus or 0.0:g} GPUs for a trial; "
        f"they have {_words(nodes)}{beside}"
    )


def startable_nodes() -> NodeTypes:
    """The node types that the connected cluster's autoscaler may start, by name; none without autoscaler.

    The configuration that the head's autoscaler runs with tells them.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    heads = [n["NodeID"] for n in ray.nodes() if n["Alive"] and HEAD_MARK in n["Resources"]]
    if not heads:
        return {}
    there = NodeAffinitySchedulingStrategy(heads[0], soft=False)
    ask = ray.remote(num_cpus=0, max_retries=0)(_autoscaler_node_types)
    try:
        types: NodeTypes = ray.get(ask.options(scheduling_strategy=there).remote(), timeout=ANSWER_SECONDS)
    except RayError as error:
        log.warning("the head does not say which nodes it can start: %s", error)
        return {}
    return types


def _autoscaler_node_types() -> dict[str, dict[str, Any]]:
    """On the head: node types, with their resources, that its autoscaler's configuration lets it start."""
    path = autoscaler_config()
    return {} if path is None else node_types(path)


def node_types(path: Path) -> dict[str, dict[str, Any]]:
    """The node types in an autoscaler's configuration of which there may be workers."""
    import yaml

    try:
        text = path.read_text()
        read = json.loads if text.lstrip().startswith("{") else yaml.safe_load
        config = read(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    found = {}
    for name, kind in (config.get("available_node_types") or {}).items():
        most = kind.get("max_workers", config.get("max_workers", 0))
        if name != config.get("head_node_type") and most > 0:
            found[name] = {"resources": dict(kind.get("resources") or {})}
    return found


def _words(types: Sequence[Mapping[str, Any]]) -> str:
    words = []
    for kind in types:
        text = f"{kind.get('CPU', 0):g} CPUs and {kind.get('GPU', 0):g} GPUs"
        if text not in words:
            words.append(text)
    return " or ".join(words)
