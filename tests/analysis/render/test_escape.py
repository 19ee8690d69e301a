import csv
import io
import re

import pandas as pd
import pytest

from analysis.render import formats
from analysis.render.escape import csv_text, latex_text, markdown_text

HOSTILE = [
    "a|b",
    "`code`",
    "two\nlines\r\nthree",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "**bold** _it_ ~~gone~~",
    "[link](javascript:x)",
    "<script>alert(1)</script> &amp;",
    r"\input{/etc/passwd} $x_1^2$ 50% #1 {} ~",
    "right\u202eto left",
    'say "x"',
    "# title",
    "1. item",
    "- item",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_csv_cells_are_one_line_and_no_formula(text: str) -> None:
    safe = csv_text(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    ((read,),) = csv.reader(io.StringIO(formats.csv(pd.DataFrame([[text]])).split("\n", 1)[1]))
    assert read == safe
    assert "\n" not in safe


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_leaves_no_unescaped_special_character(text: str) -> None:
    safe = markdown_text(text)
    assert "\n" not in safe
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*\[\]~$]", safe)
    assert "<" not in safe
    assert not re.match(r"(#+|-|\+|\d+\.)\s", safe)


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_leaves_no_character_with_a_meaning(text: str) -> None:
    safe = latex_text(text)
    known = r"\\(?:[{}$&#%_]|text\w+\{\}|char34\{\}|ldots\{\}|pm\b|delta\b)|\{[\[\]*]\}"
    assert not re.search(r"[\\{}$&#%_^~\n]", re.sub(known, "", safe))


def test_words_with_underscores_stay_readable_in_markdown() -> None:
    assert markdown_text("baseline_s_LM_m05") == "baseline_s_LM_m05"
    assert markdown_text("_a_") == r"\_a\_"
