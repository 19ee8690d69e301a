"""How wide text is in LaTeX: in Computer Modern of 8 points, whose letters are wider than most fonts'."""

from __future__ import annotations

import functools

from analysis.render.document import Entry
from analysis.render.escape import latex_text, single_line

_BOLD, _SMALL = 1.153, 0.945  # against letters of normal weight, and of the intervals against the values

# Widths of characters as measured; others are as wide as a digit.
_DIGIT, _THIN_SPACE = 4.26, 1.42
_LETTERS = {
    2.37: "!',.:;[]`il",
    2.61: "fj",
    2.84: " -",
    3.08: "I",
    3.36: "()rts_",
    3.79: "cez",
    4.5: "kqvxy",
    4.74: "Sbdhnpu",
    5.31: "ZL",
    5.79: "FEP",
    6.14: "BCTw",
    6.5: "RAHNUVXYD",
    6.7: "&+=@KOQG±<>|×≥≤",
    7.1: "#%m",
    7.8: "M",
    8.7: "W…—→",
}
_WIDTHS = {letter: width for width, letters in _LETTERS.items() for letter in letters}
_POINT_CODE = 36.0  # "U+80BA "


def points(text: str) -> float:
    """The width of a text in points, rather too many than too few."""
    width = 0.0
    for letter in single_line(text):
        width += _of_letter(letter)
    return width


def entry_points(entry: Entry) -> float:
    """The width of an entry in points, on one line."""
    width = points(entry.text) * (_BOLD if entry.bold else 1)
    width += _DIGIT * len(entry.signs)
    if entry.detail:
        width += _THIN_SPACE + _SMALL * points(entry.detail)
    return width


@functools.cache
def _of_letter(letter: str) -> float:
    if latex_text(letter).startswith("U+"):
        return _POINT_CODE
    return _WIDTHS.get(letter, _DIGIT)
