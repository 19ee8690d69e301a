"""Images that cannot be read, told together rather than one at every attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from search_spaces.errors import DataError

# Of the images of one reason an error names so many.
NAMED = 5


class Malformed(DataError):
    """Files are there, and not as they have to be: more than that some are missing altogether."""


class Unreadable(DataError):
    """An image that is not read: `where` it lies, for which `reason`, and what exactly, where more is known.

    A reason stands behind a number: "3 of several pages or frames".
    """

    def __init__(self, where: str, reason: str, detail: str = "") -> None:
        found = f": {detail}" if detail else ""
        super().__init__(f"{where}: expected an image that can be read whole, found one {reason}{found}")
        self.where, self.reason, self.detail = where, reason, detail

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str, str]]:
        return type(self), (self.where, self.reason, self.detail)


class Faults:
    """Gathers the images of a data set that cannot be read, so that all of them are said at once.

    Decode each image inside `of_one_image`, and call `check` after the last.

    >>> faults = Faults("scans")
    >>> for name in ("ill/3.png", "well/7.png"):
    ...     with faults.of_one_image():
    ...         raise Unreadable(name, "that could not be decoded", "image file is truncated")
    >>> faults.check()
    Traceback (most recent call last):
    search_spaces.errors.DataError: scans: 2 of 2 images cannot be read: 2 that could not be decoded \
(ill/3.png, well/7.png: image file is truncated)
    """

    def __init__(self, data_set: str) -> None:
        self._data_set = data_set
        self._by_reason: dict[str, list[Unreadable]] = {}
        self._images = 0

    @contextmanager
    def of_one_image(self) -> Iterator[None]:
        """Take note of an Unreadable of a block, which ends there."""
        self._images += 1
        try:
            yield
        except Unreadable as fault:
            self._by_reason.setdefault(fault.reason, []).append(fault)

    def add(self, faults: Iterable[Unreadable], images: int) -> None:
        """Take note of the faults of so many images."""
        self._images += images
        for fault in faults:
            self._by_reason.setdefault(fault.reason, []).append(fault)

    def check(self) -> None:
        """Raise DataError if there are any: how many of the images, for which reasons, and some names."""
        count = sum(map(len, self._by_reason.values()))
        if not count:
            return
        parts = []
        for reason, faults in sorted(self._by_reason.items(), key=lambda item: -len(item[1])):
            parts.append(f"{len(faults):,} {reason} ({_names(faults)})")
        told = "; ".join(parts)
        raise DataError(f"{self._data_set}: {count:,} of {self._images:,} images cannot be read: {told}")


def some_of(names: Sequence[str]) -> str:
    """The first of many names: "a.png, b.png, …"."""
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _names(faults: list[Unreadable]) -> str:
    """Some of the places, those of one detail together: "a.png, b.png: it is empty; c.png: ..."."""
    by_detail: dict[str, list[str]] = {}
    for fault in faults[:NAMED]:
        by_detail.setdefault(fault.detail, []).append(fault.where)
    parts = []
    for detail, places in by_detail.items():
        named = ", ".join(places)
        parts.append(f"{named}: {detail}" if detail else named)
    return "; ".join(parts) + (", …" if len(faults) > NAMED else "")
