"""A sweep's report: all in one file, nothing from elsewhere, no live text."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import Result

from analysis.pictures import pictures
from analysis.report import report
from analysis.tables import Tables, make_tables
from search_spaces.config import Bce
from tests.analysis.stored_sweep import SweepBuilder, trial
from trainer.store import SweepManifest

InProcess = Callable[..., Result]
NAME = "<script>alert(1)</script> & co"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def made(golden: SweepBuilder) -> Tables:
    return make_tables(golden.store, SweepManifest(NAME, tuple(golden.trials)), draws=200)


def test_a_report_has_tables_figures_notes_and_provenance(made: Tables) -> None:
    page = Page(report(made, NAME))
    for fact in made.document.facts:
        assert fact in page.text
    for table in made.document.tables:
        assert table.title in page.text
        for row in table.rows:
            assert all(entry.text in page.text for entry in row)
        for note in table.notes:
            assert note.said in page.text
    for cell in made.cells:
        assert cell.chosen_id in page.text
        for source in cell.chosen.sources if cell.chosen else ():
            assert source.scores_sha256 in page.text
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert {image["alt"] for image in images} == {picture.title for picture in pictures(made)}
    for image in images:
        kind, _, content = str(image["src"]).partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert ElementTree.fromstring(base64.b64decode(content)).tag.endswith("svg")


def test_a_report_asks_nobody_for_anything_and_runs_nothing(made: Tables) -> None:
    page = Page(report(made, NAME))
    assert NAME in page.text, "the name is text"
    assert not {"script", "link", "iframe", "object", "a", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert str(attributes.get("src", "data:")).startswith("data:")
    styles = re.findall(r"<style>(.*?)</style>", report(made, NAME), re.DOTALL)
    assert not [style for style in styles if "url(" in style or "@import" in style]


def test_the_command_writes_one_file(cli: InProcess, golden: SweepBuilder, tmp_path: Path) -> None:
    golden.store.write_sweep(golden.manifest())
    done = cli("report", "golden", "--output", golden.folder)
    assert done.exit_code == 0, done.stderr
    path = golden.folder / "reports" / "golden.html"
    assert f"report: {path}" in done.stdout
    done = cli("report", "golden", "--output", golden.folder, "--to", tmp_path / "mine.html")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "mine.html").read_bytes() == path.read_bytes()


def test_without_a_result_no_report_is_written(cli: InProcess, builder: SweepBuilder) -> None:
    builder.add(trial(Bce()))
    builder.store.write_sweep(builder.manifest())
    done = cli("report", "golden", "--output", builder.folder)
    assert done.exit_code == 1
    assert "no trial has a result yet" in done.stdout
    assert not (builder.folder / "reports").exists()


def test_two_reports_of_one_store_are_the_same_bytes(golden: SweepBuilder) -> None:
    reports = set()
    for _ in range(2):
        made = make_tables(golden.store, golden.manifest(), draws=50)
        reports.add(report(made, "golden"))
    assert len(reports) == 1
