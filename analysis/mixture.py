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
    return None if source.device == "unknown" else source.device


def _is_cpu(source: ReplicateSource) -> bool:
    return source.device.startswith("cpu")


def _processor(source: ReplicateSource) -> str | None:
    return source.processor if _is_cpu(source) else None


def _capability(source: ReplicateSource) -> str | None:
    return source.cpu_capability if _is_cpu(source) else None


def _threads(source: ReplicateSource) -> str | None:
    return str(source.threads) if _is_cpu(source) and source.threads is not None else None


def _compiled(source: ReplicateSource) -> str | None:
    return "yes" if source.compiled else "no"


TRAITS = (
    Trait("device", _device),
    Trait("processor", _processor),
    Trait("CPU instructions", _capability),
    Trait("GPU driver", lambda source: source.gpu_driver),
    Trait("CPU threads", _threads),
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
        values = {trait.value(source) for source in known} - {None}
        if len(values) > 1:
            told = sorted((str(value) for value in values), key=_natural)
            parts.append(f"{trait.name} ({', '.join(told)})")
    return f"replicates differ in {', '.join(parts)}" if parts else ""


def _natural(text: str) -> tuple[int, str]:
    """Numbers by their size, before all other texts."""
    return (int(text), "") if text.isdecimal() else (2**63, text)
