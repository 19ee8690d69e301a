"""What every kind's contract has in common: how a member is written, found and identified."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import TypeAdapter

from search_spaces.config import REGISTRIES, Bce, Kind, Registry, SmallCnn, Task, TrialConfig
from search_spaces.config.kinds import OUR_PACKAGE, plugin_of
from search_spaces.config.tasks.registered import TASKS
from search_spaces.errors import InputError
from trainer.registry import implementation_of


class ContractBroken(AssertionError):
    """A member does not keep the contract of its kind; the message says which part of it."""


def demand(kept: bool, member: object, what: str) -> None:
    """Raise ContractBroken, naming the member and what was expected of it, unless that was kept."""
    if not kept:
        raise ContractBroken(f"{member!r}: expected {what}")


@contextmanager
def demanded(member: object, what: str) -> Iterator[None]:
    """Raise ContractBroken, naming the member and what was expected of it, if the block raises anything."""
    try:
        yield
    except ContractBroken:
        raise
    except Exception as error:
        reason = f"it raised {type(error).__name__}: {error}"
        raise ContractBroken(f"{member!r}: expected {what}, {reason}") from error


@contextmanager
def no_global_randomness(member: object) -> Iterator[None]:
    """Demand that the block neither reads nor changes torch's global random state."""
    before = torch.get_rng_state()
    yield
    unchanged = torch.equal(torch.get_rng_state(), before)
    demand(unchanged, member, "random numbers from the given generator alone")


def example_tasks() -> tuple[Task, ...]:
    """A small task of each kind, on images that need no files."""
    return tuple(task.example() for task in TASKS)


def example_trial(**parts: Any) -> TrialConfig:
    """A trial with these parts; the others are small ones of ours."""
    fields: dict[str, Any] = {"data": example_tasks()[0], "loss": Bce(), "model": SmallCnn(width=2)}
    fields.update(batch_size=8, seeds=(1,))
    fields.update(parts)
    return TrialConfig(**fields)


def check_configuration(member: Kind, trial: TrialConfig) -> None:
    """What a member of any kind keeps as configuration, within a trial that holds it.

    It is registered, or named by an entry point; reads back from its JSON; makes an identity that is always
    the same; names an implementation that can be imported. A plug-in's type is imported without torch.
    """
    kind = type(member)
    (registry,) = (registry for registry in REGISTRIES if isinstance(member, registry.base))
    demand(_is_registered(kind, registry), member, f"to be registered, or an entry point of {kind.group}")
    demand(member.type_name() == member.name, member, f"the name {member.type_name()!r} alone")
    adapter: TypeAdapter[Any] = TypeAdapter(registry.annotation())
    text = adapter.dump_json(member)
    demand(adapter.validate_json(text) == member, member, f"to read back from {text.decode()}")
    demand(adapter.validate_python(member.model_dump()) == member, member, "to read back from its fields")
    demand(hash(adapter.validate_json(text)) == hash(member), member, "to be hashable")
    again = TrialConfig.model_validate_json(trial.model_dump_json())
    demand(again.trial_id == trial.trial_id, member, "the same identity when it is read back")
    with demanded(member, "an implementation that can be imported"):
        implementation_of(member)
    _check_lightness(kind)


def _is_registered(kind: type[Kind], registry: Registry[Any]) -> bool:
    return kind in registry or plugin_of(kind) is not None


def _check_lightness(kind: type[Kind]) -> None:
    if kind.__module__.partition(".")[0] == OUR_PACKAGE:  # ours are imported by every command, and tested so
        return
    program = f"import sys, {kind.__module__}; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    if done.returncode:
        raise ContractBroken(f"{kind.__module__}: expected to be imported without torch")


def refused(call: Callable[[], object]) -> bool:
    """Whether a call raises one of the errors for bad input."""
    try:
        call()
    except InputError:
        return True
    return False
