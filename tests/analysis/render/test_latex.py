"""The tables as LaTeX: compiled by pdfLaTeX, nothing wider than the text, nothing higher than the page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.render.escape import latex_breakable, latex_text
from analysis.tables import Tables, make_tables
from search_spaces.config import Bce, ConstraintConfig
from tests.analysis.stored_sweep import FOLDER, SweepBuilder, trial

LETTERS = "données Łódź ostre_zapalenie_płuc naïve_ñandú Straße “so” 肺正常 здоровый ęą"
SIGNS = "µm 2 × 3 ≥ 4 → 5 · 30° – — … « » ‘a’ Ω δ † 🙂 'x' --"


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("pdflatex")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("not installed, though this is CI: pdflatex")
    if found is None:
        pytest.skip("not installed: pdflatex (Debian: texlive-latex-base, texlive-latex-recommended)")
    return found


def preamble(table: str) -> str:
    """The package lines that a table's head states, each in a comment of its own."""
    return "\n".join(re.findall(r"^% (\\usepackage.*)$", table, re.MULTILINE))


def compiled(program: str, table: str, folder: Path, options: str = "") -> str:
    """The log of an article that holds the table; LaTeX's errors fail the test."""
    (folder / "best.tex").write_text(table, encoding="ascii")
    body = "\\begin{document}\n\\input{best.tex}\n\\end{document}\n"
    article = f"\\documentclass[{options}]{{article}}\n{preamble(table)}\n{body}"
    (folder / "article.tex").write_text(article)
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "article.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    log = (folder / "article.log").read_text(errors="replace")
    assert done.returncode == 0, log[-3000:]
    return log


def sticks_out(log: str) -> list[str]:
    """What LaTeX says of lines that are too wide, and of floats that are too high."""
    return re.findall(r"^(?:Overfull \\hbox.*|.*Float too large.*)$", log, re.MULTILINE)


@pytest.mark.parametrize("options", ["", "a4paper", "11pt", "12pt"])
def test_tables_fit_the_text_of_an_article(
    golden: SweepBuilder, program: str, tmp_path: Path, options: str
) -> None:
    table = make_tables(golden.store, golden.manifest()).latex
    assert preamble(table) == r"\usepackage{booktabs}"
    assert sticks_out(compiled(program, table, tmp_path, options)) == []


def test_long_names_many_rows_blocks_and_rates_fit_too(wide: Tables, program: str, tmp_path: Path) -> None:
    assert sticks_out(compiled(program, wide.latex, tmp_path)) == []


def test_what_does_not_fit_is_seen(program: str, tmp_path: Path) -> None:
    """The log that the other tests read does tell."""
    wide = r"\noindent\hbox to 400pt{} \begin{table}\vbox to 1000pt{}\end{table}"
    told = sorted(sticks_out(compiled(program, wide, tmp_path)))
    assert len(told) == 2
    assert "Float too large" in told[0]
    assert "too wide" in told[1]


def test_any_letter_compiles(program: str, tmp_path: Path) -> None:
    texts = []
    for text in (LETTERS, SIGNS, 'say "x"'):
        texts += [latex_text(text), latex_breakable(text)]
    log = compiled(program, "\n\n".join(texts), tmp_path)
    assert "Missing character" not in log
    assert latex_text("肺正") == "U+80BA U+6B63"
    assert latex_text("Łódź") == r"\L{}\'{o}d\'{z}"
    assert latex_text("--") == "-{}-", "two hyphens are no dash"


def test_a_table_that_fits_says_all_of_each_row(golden: SweepBuilder) -> None:
    """Every entry that Markdown shows stands in LaTeX, whatever part it stands in."""
    made = make_tables(golden.store, golden.manifest())
    plain = made.latex.replace(r"\penalty500 ", "")
    for table in made.document.tables:
        for row in table.rows:
            for entry in row:
                assert latex_text(entry.text) in plain
                assert latex_text(entry.detail) in plain
        for name in table.without("Trial").header:
            for word in name.split():
                assert latex_text(word) in plain


def test_each_float_has_a_caption_and_a_label_of_its_own(wide: Tables, builder: SweepBuilder) -> None:
    builder.complete(trial(Bce(), data=FOLDER), "a", 1.0, 1.0)
    builder.complete(trial(Bce(), ConstraintConfig(penalty=1e-6), data=FOLDER), "b", 1.0, 1.0)
    for table in (wide.latex, make_tables(builder.store, builder.manifest("肺")).latex):
        floats = table.count(r"\begin{table}")
        labels = re.findall(r"\\label\{(.*)\}", table)
        assert len(set(labels)) == len(labels) == floats == table.count(r"\caption[")
        for label in labels:
            assert re.fullmatch(r"tab:[a-z0-9-]+", label)
