"""Text of unknown origin made harmless for CSV, Markdown and LaTeX: names of spaces come from users."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN_SPECIAL = re.compile(r"([\\`*\[\]|~$])")
_MARKDOWN_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_MARKDOWN_LINE_START = re.compile(r"^(#{1,6}(?=\s|$)|[-+](?=\s|$)|={3,}|-{3,})")
_MARKDOWN_ORDERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after a row's end, \\[ would read it as a length
    "]": "{]}",
    "*": "{*}",  # after a row's end, \\* would swallow it
    "±": r"$\pm$",
    "δ": r"$\delta$",
    "Δ": r"$\Delta$",
    "–": "--",
    "…": r"\ldots{}",
}

_CSV_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width


def single_line(text: str) -> str:
    """The text on one line: control and format characters (newlines, direction overrides) become spaces."""
    cleaned = ""
    for character in text:
        cleaned += " " if _is_control(character) else character
    return " ".join(cleaned.split())


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def csv_text(text: str) -> str:
    """For a CSV cell: on one line, and with a leading apostrophe where a spreadsheet would see a formula.

    >>> csv_text("=cmd|' /C calc'!A0")
    "'=cmd|' /C calc'!A0"
    """
    line = single_line(text)
    return f"'{line}" if line.startswith(_CSV_FORMULA) else line


def markdown_text(text: str) -> str:
    r"""For Markdown (GitHub's): the characters that format, make cells, links or HTML are escaped.

    Underscores inside a word format nothing and stay as they are.

    >>> markdown_text("a|b `c` baseline_s_LM_m05 <i>")
    'a\\|b \\`c\\` baseline_s_LM_m05 &lt;i&gt;'
    """
    line = _MARKDOWN_SPECIAL.sub(r"\\\1", single_line(text))
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKDOWN_EDGE_UNDERSCORE.sub(r"\\_", line)
    return _MARKDOWN_ORDERED.sub(r"\1\\\2", _MARKDOWN_LINE_START.sub(r"\\\1", line))


def latex_text(text: str) -> str:
    r"""For LaTeX: every character with a meaning of its own is written as the one that prints it.

    >>> latex_text("50% of a_b")
    '50\\% of a\\_b'
    """
    return "".join(_LATEX.get(c, c) for c in single_line(text))
