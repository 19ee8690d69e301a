"""What the replicates of a table cell were trained on that rounds differently, told where they mix it.

Another processor, another number of threads or another release of torch adds the same numbers in another
order. The last digits differ, training amplifies them, and trained results differ as if by a weaker
reseeding (docs/rounding.md). A cell that mixes such machines compares trials on unequal terms, so it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from analysis.records import ReplicateSource


@dataclass(frozen=True)
class Trait:
    """One thing that rounds differently: its name, and a replicate's value.

    The value is None where the result does not tell it, or where it has no effect on that device.
    """

    name: str
    value: Callable[[ReplicateSource], str | None]


def _device(source: ReplicateSource) -> str | None:
    if source.device == "unknown":
        return None
    return source.device


def _of_cpu(value: Callable[[ReplicateSource], object]) -> Callable[[ReplicateSource], str | None]:
    """What has an effect on a CPU alone."""

    def on_cpu(source: ReplicateSource) -> str | None:
        known = value(source)
        if known is None or not source.device.startswith("cpu"):
            return None
        return str(known)

    return on_cpu


def _compiled(source: ReplicateSource) -> str | None:
    return "yes" if source.compiled else "no"


TRAITS = (
    Trait("device", _device),
    Trait("processor", _of_cpu(lambda source: source.processor)),
    Trait("CPU instructions", _of_cpu(lambda source: source.cpu_capability)),
    Trait("GPU driver", lambda source: source.gpu_driver),
    Trait("CPU threads", _of_cpu(lambda source: source.threads)),
    Trait("compiled", _compiled),
    Trait("torch", lambda source: source.versions.get("torch")),
)


def mixture(sources: Iterable[ReplicateSource]) -> str:
    """Which traits replicates differ in, and their values: "replicates differ in CPU threads (1, 2)"; or "".

    A value that a result does not tell (an older one) counts as equal to any other.
    """
    known = list(sources)
    parts = []
    for trait in TRAITS:
        values = set(map(trait.value, known)) - {None}
        if len(values) > 1:
            told = sorted(map(str, values), key=_natural)
            parts.append(f"{trait.name} ({', '.join(told)})")
    if not parts:
        return ""
    return f"replicates differ in {', '.join(parts)}"


def _natural(text: str) -> tuple[bool, int, str]:
    """Numbers by their size, before all other texts."""
    if text.isdecimal():
        return False, int(text), ""
    return True, 0, text
