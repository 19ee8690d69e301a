"""Random numbers with a purpose: every draw has its own seed, and none depends on another draw."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def seed_for(seed: int, purpose: str) -> int:
    """A seed of 63 bits (0 <= seed < 2**63): the first eight bytes of the SHA-256 of "<seed>/<purpose>".

    Two purposes give unrelated numbers, so that adding a draw somewhere changes no other draw.

    >>> seed_for(1, "weights")
    5164344575451445340
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def draw(ids: Iterable[object], count: int, *, seed: int, purpose: str) -> list[int]:
    """Draw `count` of the examples without replacement; returns their sorted positions in `ids`.

    Each example is ranked by `seed_for(seed, "<purpose>/<id>")` and the lowest ranks are taken. This is a
    uniform draw that depends on the ids alone: neither on the order of the listing nor on the release of a
    random number library; a smaller draw is part of a larger one; and taking one example out of the listing
    replaces no more than that example.

    Raises ValueError if `count` is negative or exceeds the number of ids.
    """
    ranked = sorted((seed_for(seed, f"{purpose}/{name}"), position) for position, name in enumerate(ids))
    if not 0 <= count <= len(ranked):
        raise ValueError(f"expected a count from 0 to {len(ranked)}, given {count}")
    return sorted(position for _, position in ranked[:count])
