"""`make pictures`: what it copies, and what it says where something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docs import pictures
from docs.pictures import main


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """What a run of the demo leaves, as far as the pictures need it."""
    folder = tmp_path / "output"
    for name, content in (("figures/demo/table.png", "a picture"), ("tables/demo/best.md", "# a table")):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    return folder


def test_without_chromium_the_rest_is_made_and_a_line_says_so(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "docs"
    into.mkdir()
    (into / "mlflow.png").write_text("the old one")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["--output", str(output), "--into", str(into)]) == 0
    assert (into / "table.png").read_text() == "a picture"
    assert (into / "demo-table.md").read_text() == "# a table"
    assert (into / "mlflow.png").read_text() == "the old one"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"left {into / 'mlflow.png'} as it is: not installed: chromium, chromedriver"


def test_an_output_without_a_demo_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path / "none"), "--into", str(tmp_path / "docs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected what a finished run of demo writes" in line
    assert not (tmp_path / "docs").exists()


def test_the_pictures_stand_where_readme_shows_them() -> None:
    root = Path(pictures.__file__).parent.parent
    readme = (root / "README.md").read_text()
    for name in ("table.png", "mlflow.png", "demo-table.md"):
        assert f"(docs/{name})" in readme
        assert (root / "docs" / name).is_file()
