"""Text on lines that are no longer than they may be, in a terminal or in a picture."""

from __future__ import annotations

from collections.abc import Callable

from analysis.render.escape import single_line, text_width

Measure = Callable[[str], float]


def folded(
    text: str, limit: float | None, measure: Measure = text_width, most: int | None = None
) -> list[str]:
    """The text on lines that measure at most `limit`, broken between words; longer words are cut.

    Of more than `most` lines the last ends in "…". Without a limit there is one line.

    >>> folded("BCE sampler=class_balanced + ALM", 14)
    ['BCE', 'sampler=class_', 'balanced + ALM']
    """
    line = single_line(text)
    if limit is None or measure(line) <= limit:
        return [line]
    lines = [""]
    for word in line.split():
        for place, piece in enumerate(_pieces(word, limit, measure)):
            space = " " if lines[-1] and place == 0 else ""
            if measure(lines[-1] + space + piece) <= limit:
                lines[-1] += space + piece
            else:
                lines.append(piece)
    if not lines[0]:
        del lines[0]
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and measure(f"{last}…") > limit:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()}…"]
    return lines


def _pieces(word: str, limit: float, measure: Measure) -> list[str]:
    """A word; one that is wider than a line in pieces, cut behind punctuation where there is some."""
    pieces = []
    while len(word) > 1 and measure(word) > limit:
        end = len(word)
        while end > 1 and measure(word[:end]) > limit:
            end -= 1
        behind = max(word.rfind(sign, 0, end) for sign in "=,_./:") + 1
        if behind > end // 3:
            end = behind
        pieces.append(word[:end])
        word = word[end:]
    return [*pieces, word]
