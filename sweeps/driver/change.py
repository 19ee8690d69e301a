"""What a space changes in the stored sweep of its name: which trials stay, leave and come."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.search import Search
from search_spaces.space import SearchSpace
from search_spaces.words import count
from trainer.store import Store, SweepManifest


@dataclass(frozen=True)
class SpaceChange:
    """How a space differs from the stored sweep of its name.

    staying    ids of the stored trials that the space has too
    leaving    how many stored trials it has not; their results stay, but in no table of the sweep
    coming     how many of its trials are not stored; None of a search, which has not chosen them yet
    is_told    whether the store knows of what space its sweep is; one of an earlier version's fits any
    """

    staying: frozenset[str]
    leaving: int
    coming: int | None
    is_told: bool

    def words(self) -> str:
        """The numbers in words.

        >>> SpaceChange(frozenset({"a", "b"}), 1, 3, True).words()
        '2 trials stay, 1 trial leaves, 3 trials come'
        """
        said = [counted(len(self.staying), "stay"), counted(self.leaving, "leave")]
        if self.coming is not None:
            said.append(counted(self.coming, "come"))
        return ", ".join(said)


def counted(number: int, verb: str) -> str:
    """What so many trials do.

    >>> counted(1, "stay"), counted(2000, "stay")
    ('1 trial stays', '2,000 trials stay')
    """
    return f"{count(number, 'trial')} {verb}s" if number == 1 else f"{count(number, 'trial')} {verb}"


def space_change(store: Store, stored: SweepManifest, space: SearchSpace) -> SpaceChange | None:
    """What running a space would change in the stored sweep of its name; None where nothing is to be said.

    Nothing is to be said of the same space, and of a sweep of which the space is not known as long as no
    trial leaves or comes.
    """
    if stored.space == space.fingerprint:
        return None
    before = {config.trial_id for config in stored.trials}
    coming: int | None = None
    if space.search is None:
        now = {config.trial_id for config in space.trials}
        coming = len(now - before)
    else:
        now = _suggested(store, stored.name, space.search)
    staying = frozenset(before & now)
    change = SpaceChange(staying, len(before - now), coming, stored.space is not None)
    if change.is_told or change.leaving or change.coming:
        return change
    return None


def _suggested(store: Store, name: str, search: Search) -> set[str]:
    """Ids of the trials that a search would go on with: its stored suggestions that it still has."""
    from sweeps.search.suggestions import read_suggestions

    earlier, _ = read_suggestions(store, name, search)
    return set(earlier)
