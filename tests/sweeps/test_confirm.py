"""Whether somebody can be asked."""

from __future__ import annotations

import io

import pytest

from search_spaces.errors import InputError
from sweeps.cli.confirm import confirm, has_terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def closed() -> Terminal:
    stream = Terminal()
    stream.close()
    return stream


def test_a_terminal_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    assert has_terminal()


@pytest.mark.parametrize("name", ["sys.stdin", "sys.stderr"])
@pytest.mark.parametrize("stream", [None, io.StringIO(), closed()], ids=["none", "a file", "closed"])
def test_nobody_is_asked_without_one(
    monkeypatch: pytest.MonkeyPatch, name: str, stream: io.StringIO | None
) -> None:
    """A service, cron or `<&-` starts a process without standard input: Python has None in its place."""
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(name, stream)
    assert not has_terminal()
    with pytest.raises(InputError, match="say --yes"):
        confirm("Train?", unasked="say --yes")
