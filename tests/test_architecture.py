"""`docs/architecture.md` and CONTRIBUTING name files that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("page", "least"), [("docs/architecture.md", 25), ("CONTRIBUTING.md", 15)])
def test_every_named_file_exists(page: str, least: int) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:search_spaces|trainer|sweeps|analysis|tests|docs)/[\w/.]+\.\w+)`", text))
    assert len(named) >= least
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
