"""What code and which libraries a process computes with, so that processes that differ can be told apart."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from search_spaces.config import REGISTRIES, Kind, TrialConfig, members_of
from search_spaces.config.plugins import Offer

PACKAGES = ("search_spaces", "trainer", "sweeps", "analysis")
HASH_DIGITS = 64
SHOWN_DIGITS = 12
PLUGIN_FACT = "plug-in "


@cache
def source_sha256(packages: tuple[str, ...] = PACKAGES) -> str:
    """SHA-256 over names and contents of all Python files of packages, as this process imports them."""
    digest = hashlib.sha256()
    for package in packages:
        for name, path in _files(package):
            digest.update(f"{package}/{name}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(package: str) -> Iterator[tuple[str, Path]]:
    """The Python files of a package, or the one of a module, each with its path below it."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    if spec.submodule_search_locations is None and spec.origin is not None:
        yield Path(spec.origin).name, Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        for path in sorted(Path(folder).rglob("*.py")):
            yield path.relative_to(folder).as_posix(), path


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


def plugins_of(trials: Iterable[TrialConfig]) -> list[str]:
    """The packages, without their versions, of all plug-ins that trials use."""
    found = set()
    for config in trials:
        for member in members_of(config):
            if member.plugin is not None:
                found.add(member.plugin.distribution)
    return sorted(found)


def plugin_software(distributions: Iterable[str]) -> dict[str, str]:
    """What this process has of plug-ins' packages: "plug-in NAME" -> version and source's hash, or "none".

    A package of which something cannot be imported says so.
    """
    facts = {f"{PLUGIN_FACT}{distribution}": "none" for distribution in distributions}
    for registry in REGISTRIES:
        for offer, fault in registry.offered():
            fact = f"{PLUGIN_FACT}{offer.distribution}"
            if fact in facts and "(" not in facts[fact]:  # what is wrong with one member is said already
                facts[fact] = _state(offer, fault or _import_fault(registry.plugin(offer.name)))
    return facts


def software_with(distributions: Iterable[str]) -> dict[str, str]:
    """All that two processes compare: the software, and what there is of these plug-ins' packages."""
    return {**software(), **plugin_software(distributions)}


def asked_plugins(facts: Iterable[str]) -> list[str]:
    """The packages that these facts of `plugin_software` are about."""
    return [fact.removeprefix(PLUGIN_FACT) for fact in facts if fact.startswith(PLUGIN_FACT)]


def _import_fault(member: type[Kind]) -> str:
    from trainer.registry import resolve

    try:
        resolve(member.implementation)
    except Exception as error:  # whatever a package of others does when it is imported
        return f"{type(error).__name__}: {error}"
    return ""


def _state(offer: Offer, fault: str) -> str:
    if fault:
        return f"{offer.version} ({offer}: {fault})"
    sha256 = source_sha256((offer.entry.module.partition(".")[0],))
    return f"{offer.version} with source {short(sha256)}"


def software_differences(
    who: object, answer: Mapping[str, str], expected: Mapping[str, str], here: str
) -> list[str]:
    """A line per fact in which `who`, a node or a host, differs from the driver on the host `here`."""
    lines = []
    for fact, value in expected.items():
        found = answer.get(fact, "unknown")
        if found != value:
            lines.append(f"{who} has {fact} {short(found)}, the driver on {here} has {short(value)}")
    return lines


def short(value: str) -> str:
    """A hash by its first digits, anything else as it is."""
    if len(value) != HASH_DIGITS:
        return value
    return f"{value[:SHOWN_DIGITS]}…"
