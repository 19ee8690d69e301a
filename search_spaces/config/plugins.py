"""What other packages offer: losses, models, sources and augmentations that entry points name.

    [project.entry-points."almsweep.losses"]
    my_loss = "my_package.config:MyLoss"

An entry point has the member's name, and names its configuration type. Nothing of a package is imported
before a configuration says such a name, so a broken one harms no command that does not use it.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from pydantic import ConfigDict

from search_spaces.config.base import Frozen


class Plugin(Frozen):
    """Where a member that is not ours comes from, as it stands in stored configurations.

    Beside `package` stands what a reader must know of the member where it is not installed (`Kind.told`).

    package   distribution and version: "my-package==1.2"
    """

    model_config = ConfigDict(extra="allow")

    package: str

    @property
    def distribution(self) -> str:
        """The package's name without its version."""
        return self.package.partition("==")[0]


@dataclass(frozen=True)
class Offer:
    """An entry point of an installed package."""

    group: str
    package: str
    entry: importlib.metadata.EntryPoint

    @property
    def name(self) -> str:
        """The name of the member."""
        return self.entry.name

    @property
    def distribution(self) -> str:
        """The package's name."""
        return self.package.partition("==")[0]

    @property
    def version(self) -> str:
        """The package's version."""
        return self.package.partition("==")[2]

    def __str__(self) -> str:
        return f"entry point {self.name} of {self.group} in {self.package}"

    @cached_property
    def outcome(self) -> tuple[object, str]:
        """What it names and ""; or None, and in one line why it cannot be imported.

        A package that imports torch is refused: listing what a sweep holds would take seconds.
        """
        had_torch = "torch" in sys.modules
        try:
            found: object = self.entry.load()
        except (Exception, SystemExit) as error:  # whatever a package of others does when it is imported
            reason = " ".join(str(error).split())
            return None, f"{type(error).__name__}: {reason}"
        if "torch" in sys.modules and not had_torch:
            return None, "its import imports torch; a configuration type names what needs torch instead"
        return found, ""


@cache
def offers(group: str) -> Mapping[str, tuple[Offer, ...]]:
    """What installed packages offer under an entry-point group, by name."""
    found: dict[str, tuple[Offer, ...]] = {}
    for entry in importlib.metadata.entry_points(group=group):
        package = "an unknown package" if entry.dist is None else f"{entry.dist.name}=={entry.dist.version}"
        found[entry.name] = (*found.get(entry.name, ()), Offer(group, package, entry))
    return found
