"""Tables for a terminal: no line is wider than it, whatever the names, and nothing is left out."""

from __future__ import annotations

import pytest

from analysis.render.document import Document
from analysis.render.escape import text_width
from analysis.render.folding import folded
from analysis.tables import Tables, make_tables
from tests.analysis.stored_sweep import SweepBuilder

WIDTHS = (40, 60, 80, 100, 200)


def texts(document: Document) -> list[str]:
    """Every value that the tables hold."""
    found = []
    for table in document.tables:
        for row in table.rows:
            for entry in row:
                found += [entry.text, entry.detail]
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(golden: SweepBuilder, wide: Tables, width: int) -> None:
    for tables in (make_tables(golden.store, golden.manifest()), wide):
        printed = tables.printed(width)
        assert max(map(text_width, printed.splitlines())) <= width
        letters = "".join(printed.split())
        for text in texts(tables.document):
            if len(text) <= 12:  # longer ones may be folded
                assert "".join(text.split()) in letters


def test_what_is_best_comes_first_and_what_is_of_classes_below(wide: Tables) -> None:
    title = next(table.title for table in wide.document.tables if "skin" in table.title)
    words = wide.printed(100).partition(" ".join(title.split()[:2]))[2]
    places = [words.index(name) for name in ("Critical", "FPR@98", "Recall", "Replicates", "Loss config")]
    assert places == sorted(places)


def test_a_table_that_fits_is_one(golden: SweepBuilder) -> None:
    tables = make_tables(golden.store, golden.manifest())
    of_blocks = tables.text.count("Loss config")
    assert tables.printed(1000).count("Loss config") == tables.printed(1000).count("Loss  ") == of_blocks
    assert tables.printed(10_000) == tables.text


def test_texts_are_folded_between_words_and_long_words_behind_punctuation() -> None:
    assert folded("one two three", 7) == ["one two", "three"]
    assert folded("a/long/path/to/somewhere", 12) == ["a/long/path/", "to/somewhere"]
    assert folded("肺正常", 4) == ["肺正", "常"]
    assert folded("x" * 7, 3) == ["xxx", "xxx", "x"]
    assert folded("", 3) == [""]
    assert folded("one two three four", 7, most=2) == ["one two", "three…"]
