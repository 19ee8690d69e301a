"""The pages name files that there are, and the demo's file is the demo."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from search_spaces.catalog import load_space

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "least"),
    [
        ("docs/architecture.md", 25),
        ("CONTRIBUTING.md", 15),
        ("docs/security.md", 7),
        ("README.md", 5),
        ("docs/benchmarks.md", 3),
    ],
)
def test_every_named_file_exists(page: str, least: int) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:search_spaces|trainer|sweeps|analysis|tests|docs)/[\w/.]+\.\w+)`", text))
    assert len(named) >= least
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_demo_as_a_file_is_the_demo() -> None:
    demo, as_file = load_space("demo"), load_space(str(ROOT / "docs" / "spaces" / "demo.yaml"))
    assert {trial.trial_id for trial in as_file.trials} == {trial.trial_id for trial in demo.trials}
