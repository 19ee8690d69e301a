"""The groups of examples, as their source tells them; those without one are told together."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from search_spaces.config import Groups, Source
from search_spaces.words import count
from trainer.data.sources.faults import Malformed
from trainer.data.sources.paths import composed, readable


class GroupFinder:
    """Tells the group of every example of a data set. Ask for all of them, then call `check`.

    >>> from search_spaces.config import ImageFolder
    >>> finder = GroupFinder(ImageFolder(folder="scans", groups=Groups(pattern="^([0-9]+)_")))
    >>> finder.group_of("8863_idx5_class0.png", "ill/8863_idx5_class0.png")
    '8863'
    >>> finder.group_of("left.png", "ill/left.png")
    ''
    >>> finder.check()
    Traceback (most recent call last):
    trainer.data.sources.faults.Malformed: scans: expected a group of every image, by source.groups.pattern \
'^([0-9]+)_'; 1 of 2 images has none, for example ill/left.png
    """

    def __init__(self, source: Source) -> None:
        if source.groups is None:
            raise AssertionError("the groups of a source without groups")
        self.groups: Groups = source.groups
        self._data_set = source.title
        self._pattern = re.compile(self.groups.pattern or "")
        self._asked = 0
        self._without: list[str] = []

    def group_of(self, told: object, where: str) -> str:
        """The group that a column's value, a folder's name or a file's name tells; "" where it tells none.

        `where` names the example in errors.
        """
        self._asked += 1
        text = "" if told is None else composed(str(told))
        if self.groups.pattern is not None:
            found = self._pattern.search(text)
            text = "" if found is None else found[1] or ""
        if not text:
            self._without.append(where)
        return readable(text)

    def check(self) -> None:
        """Raise Malformed where examples have no group: how many, and one of them."""
        if not self._without:
            return
        key = self.groups.key
        verb = "has" if len(self._without) == 1 else "have"
        raise Malformed(
            f"{self._data_set}: expected a group of every image, by source.groups.{key} "
            f"{getattr(self.groups, key)!r}; {len(self._without):,} of {count(self._asked, 'image')} {verb} "
            f"none, for example {self._without[0]}"
        )


def finder_of(source: Source) -> GroupFinder | None:
    """What tells a source's groups; None of one without."""
    return None if source.groups is None else GroupFinder(source)


def group_array(groups: Iterable[str]) -> NDArray[np.str_]:
    """Groups as an array [N], which may be empty."""
    return np.array(list(groups), dtype=np.str_)
