"""Names of index entries: which replicates of a trial have ended, and how, told by a listing alone.

An entry lies at `index/<trial_id>/<name>.json`; the name `c1-8_10.d9` says that seeds 1 to 8 and 10 completed
and seed 9 diverged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# File systems take names of 255 bytes; a trial whose seeds need more has no entry and is listed instead.
LONGEST_NAME = 200
_LETTERS = {"completed": "c", "diverged": "d", "pruned": "p"}
_PART = re.compile(r"^([cdp])(\d+(?:-\d+)?(?:_\d+(?:-\d+)?)*)$")


def entry_name(states: Mapping[int, str]) -> str | None:
    """The name that tells these states by seed, or None when there are none or it would be too long.

    >>> entry_name({1: "completed", 2: "completed", 3: "pruned", 5: "completed"})
    'c1-2_5.p3'
    """
    parts = []
    for state, letter in _LETTERS.items():
        seeds = sorted(seed for seed, ended in states.items() if ended == state)
        if seeds:
            parts.append(letter + "_".join(_ranges(seeds)))
    name = ".".join(parts)
    return name if 0 < len(name) <= LONGEST_NAME else None


def states_of(name: str) -> dict[int, str] | None:
    """The states by seed that a name tells, or None when it is no entry's name.

    >>> states_of("c1-2_5.p3")
    {1: 'completed', 2: 'completed', 5: 'completed', 3: 'pruned'}
    """
    words = {letter: state for state, letter in _LETTERS.items()}
    states: dict[int, str] = {}
    for part in name.split("."):
        match = _PART.match(part)
        if match is None:
            return None
        for span in match[2].split("_"):
            first, _, last = span.partition("-")
            states.update(dict.fromkeys(range(int(first), int(last or first) + 1), words[match[1]]))
    return states


def _ranges(seeds: Iterable[int]) -> list[str]:
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]
