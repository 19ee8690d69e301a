"""Classes, as a source names them, and what is known of them before anything is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

# A class, as its source's files name it: a number, or text.
ClassLabel = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Classes:
    """The classes of a source, as far as they are known without its files.

    every    all of them, in their order; none where only the files tell
    names    what a person calls them
    groups   names that stand for several, in their order
    """

    every: tuple[ClassLabel, ...] = ()
    names: Mapping[ClassLabel, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[ClassLabel, ...]] = field(default_factory=dict)

    def name(self, label: ClassLabel) -> str:
        """What a person calls a class: its name, or else the label itself."""
        return self.names.get(label, str(label))

    def labels(self, word: str) -> tuple[ClassLabel, ...]:
        """The classes that a name or a group stands for; none for another word.

        Case does not matter, and a space is as good as `_` or `-`.

        >>> Classes((0, 1), {0: "aquarium_fish", 1: "ray"}, {"fish": (0, 1)}).labels("Aquarium fish")
        (0,)
        """
        folded = _folded(word)
        for label, name in self.names.items():
            if _folded(name) == folded:
                return (label,)
        for name, members in self.groups.items():
            if _folded(name) == folded:
                return members
        return ()

    def words(self) -> Iterator[str]:
        """Every name, then every group."""
        yield from self.names.values()
        yield from self.groups


def numbered(*names: str) -> dict[ClassLabel, str]:
    """Names of the classes 0, 1, 2, ..."""
    return dict(enumerate(names))


def _folded(word: str) -> str:
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())
