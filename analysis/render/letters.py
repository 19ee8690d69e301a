"""Text for matplotlib's pictures: letters that its font has, on lines that fit."""

from __future__ import annotations

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

from analysis.render.escape import single_line
from analysis.render.folding import folded

_POINTS_PER_INCH = 72


def drawable(text: str) -> str:
    """The text on one line; letters that the font lacks as code points ("U+80BA").

    >>> drawable("données 肺")
    'données U+80BA'
    """
    known = get_font(findfont(FontProperties())).get_charmap()
    written = ""
    for character in single_line(text):
        if ord(character) in known:
            written += character
        else:
            space = " " if written and not written.endswith(" ") else ""
            written += f"{space}U+{ord(character):04X}"
    return written


def inches(text: str, points: float) -> float:
    """How wide a line of text is in letters of so many points."""
    width, _, _ = TextToPath().get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return float(width) / _POINTS_PER_INCH


def fitted(text: str, points: float, width: float, *, most: int = 3) -> str:
    """The text on at most so many lines, none wider than `width` inches; never read as mathematics."""
    lines = folded(drawable(text), width, lambda line: inches(line, points), most)
    return "\n".join(lines).replace("$", r"\$")
