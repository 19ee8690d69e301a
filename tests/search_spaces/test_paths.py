"""Paths as a person gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces.errors import InputError
from search_spaces.paths import check_is_folder, given_path


def test_the_home_folder_stands_in_place_of_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert given_path("~/x y/") == tmp_path / "x y"
    assert given_path("a/~/x") == Path("a/~/x")
    assert given_path(Path("~")) == tmp_path


@pytest.mark.parametrize("given", ["", "  ", "a\0b", "a\udcff", "~nobody-of-that-name/x"])
def test_what_names_no_path_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="expected a "):
        given_path(given)


def test_a_folder_may_be_new_but_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "round").symlink_to("round")
    for good in ("", "new", "new/deep", "link", "link/new", "x" * 300):
        check_is_folder(tmp_path / good)
    for bad in ("file", "file/below", "lost", "lost/below", "link/file", "round"):
        with pytest.raises(InputError, match="expected a folder, given "):
            check_is_folder(tmp_path / bad)
