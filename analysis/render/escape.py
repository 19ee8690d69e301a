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
    '"': r"\char34{}",  # babel's shorthands begin with one
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "«": r"$\ll$",
    "»": r"$\gg$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
# Combining accents, as the commands that set them on a letter.
_LATEX_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_GREEK = """
Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega alpha beta gamma delta epsilon zeta eta theta
iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
"""
for _command in _GREEK.split():
    _case = "CAPITAL" if _command[0].isupper() else "SMALL"
    _spelt = _command.upper().replace("LAMBDA", "LAMDA")
    _LATEX[unicodedata.lookup(f"GREEK {_case} LETTER {_spelt}")] = rf"$\{_command}$"
_LATEX["µ"] = _LATEX["μ"]
# In a longer word LaTeX may break the line after these, and after so many characters without one.
_BREAKS, _UNBROKEN = "_=./,:;-+|", 10
# So high that it does so only where the word would stick out.
_BREAK = r"\penalty500 "

_CSV_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are full-width


def single_line(text: str) -> str:
    """The text on one line: control and format characters (newlines, direction overrides) become spaces."""
    cleaned = ""
    for character in text:
        cleaned += " " if _is_control(character) else character
    return " ".join(cleaned.split())


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def text_width(text: str) -> int:
    """Columns that a terminal gives the text: wide characters take two, combining ones none."""
    width = 0
    for character in text:
        if unicodedata.combining(character):
            continue
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return width


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

    The result is ASCII, whatever the document's encoding is. Letters with accents, Greek and a few signs are
    written as commands; what pdfLaTeX's own fonts lack, as its code point ("U+80BA").

    >>> latex_text("50% of a_b"), latex_text("données"), latex_text("肺 x")
    ('50\\% of a\\_b', "donn\\'{e}es", 'U+80BA x')
    """
    written = ""
    for character in unicodedata.normalize("NFC", single_line(text)):
        written = _joined(written, _latex_character(character))
    return written


def latex_breakable(text: str) -> str:
    """As `latex_text`, and a word that is too long for its line may be broken: paths, lists of settings."""
    words = []
    for word in unicodedata.normalize("NFC", single_line(text)).split(" "):
        words.append(_breakable_word(word))
    return " ".join(words)


def _breakable_word(word: str) -> str:
    written, unbroken = "", 0
    for place, character in enumerate(word):
        one = _latex_character(character)
        written = _joined(written, one)
        unbroken += max(1, one.count("+") * 6)  # a code point is as wide as six letters
        is_end = place == len(word) - 1
        if not is_end and len(word) > _UNBROKEN and (character in _BREAKS or unbroken >= _UNBROKEN):
            written += _BREAK
            unbroken = 0
    return written


def _latex_character(character: str) -> str:
    """A character as LaTeX prints it."""
    if character in _LATEX:
        return _LATEX[character]
    if character.isascii():
        return character
    parted = unicodedata.normalize("NFD", character)
    letter, accents = parted[0], parted[1:]
    if letter.isascii() and accents in _LATEX_ACCENTS:
        base = rf"\{letter}" if letter in "ij" else letter  # without their dots
        return rf"\{_LATEX_ACCENTS[accents]}{{{base}}}"
    return f"U+{ord(character):04X}"


def _joined(written: str, one: str) -> str:
    """One more character: code points stand apart, and two hyphens are no dash."""
    if one == "-" and written.endswith("-"):
        return f"{written}{{}}{one}"
    if re.search(r"U\+[0-9A-F]+$", written) and re.match(r"[0-9A-Za-z]", one):
        return f"{written} {one}"
    return written + one
