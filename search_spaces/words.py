"""Words of messages: how many of a thing, and what a misspelled word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# The paper's letters, and other words for what a key says.
_SYNONYMS = {
    "mu": "penalty",
    "μ": "penalty",
    "rho": "growth",
    "ρ": "growth",
    "delta": "margin",
    "δ": "margin",
    "lr": "learning_rate",
    "wd": "weight_decay",
    "critical": "positive",
    "others": "rest",
    "imbalance": "ratio",
    "m": "margin",
    "g": "gamma",
}

# How alike words must be, from 0 to 1; and by how much less a second may be than the first.
_NEAR = 0.65
_MUCH_FARTHER = 0.05


def count(number: int, noun: str) -> str:
    """How many of a thing, with the noun in the right number.

    >>> count(1, "trial"), count(3284, "trial"), count(2, "class"), count(0, "copy")
    ('1 trial', '3,284 trials', '2 classes', '0 copies')
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """A noun for several; of several words the last is bent.

    >>> plural("replicate"), plural("data set"), plural("batch"), plural("day")
    ('replicates', 'data sets', 'batches', 'days')
    """
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def cause(message: str) -> str:
    r"""The line of a message that says why: the first one, but of a traceback the last one.

    >>> cause("CUDA error: out of memory\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1")
    'CUDA error: out of memory'
    >>> cause("Traceback (most recent call last):\n  File ...\nValueError: no image\n")
    'ValueError: no image'
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    is_traceback = any("Traceback (most recent" in line or line == "Traceback" for line in lines)
    return lines[-1] if is_traceback else lines[0]


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known one that is nearest, or nothing.

    >>> did_you_mean("pennalty", ["penalty", "growth"]), did_you_mean("mu", ["penalty", "growth"])
    ('; did you mean penalty?', '; did you mean penalty?')
    >>> did_you_mean("q", ["penalty", "growth"])
    ''
    """
    found = nearest(given, known)
    return f"; did you mean {' or '.join(found)}?" if found else ""


def nearest(given: object, known: Iterable[str]) -> list[str]:
    """Those of the known words, at most two, that a word may have meant, the nearest first.

    Of words with dots the last part alone may be what was meant.
    """
    if not isinstance(given, str):
        return []
    by_folded: dict[str, list[str]] = {}
    for word in known:
        for folded in dict.fromkeys((_folded(word), _folded(word).rpartition(".")[2])):
            alike = by_folded.setdefault(folded, [])
            if word not in alike:
                alike.append(word)
    wanted = _folded(given)
    last = wanted.rpartition(".")[2]
    for spelled in (wanted, _SYNONYMS.get(last), last):
        if spelled is not None and spelled in by_folded:
            return by_folded[spelled][:2]
    close = difflib.get_close_matches(wanted, by_folded, n=2, cutoff=_NEAR)
    found: list[str] = []
    for folded in close:
        if _likeness(wanted, folded) < _likeness(wanted, close[0]) - _MUCH_FARTHER:
            break
        found += [word for word in by_folded[folded] if word not in found]
    return found[:2]


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def size(number: int) -> str:
    """Bytes in words.

    >>> size(900), size(30_000), size(1_234_567_890)
    ('900 B', '30.0 kB', '1.2 GB')
    """
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
