"""The pages name files that there are, README's spaces are spaces, and the demo's file is the demo."""

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


def test_tests_named_without_a_folder_are_those_of_security() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", (ROOT / "docs" / "security.md").read_text()))
    assert len(named) >= 7
    assert sorted(name for name in named if not (ROOT / "tests" / "security" / name).exists()) == []


def test_the_demo_as_a_file_is_the_demo() -> None:
    demo, as_file = load_space("demo"), load_space(str(ROOT / "docs" / "spaces" / "demo.yaml"))
    assert {trial.trial_id for trial in as_file.trials} == {trial.trial_id for trial in demo.trials}


def test_the_spaces_of_the_readme_are_what_it_says(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    grid, search, own_images = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    path = tmp_path / "space.yaml"
    path.write_text(grid)
    assert "2 x 3 x (1 + 2) x 5 = 90 trials" in readme
    assert len(load_space(str(path)).trials) == 90
    path.write_text(search)
    found = load_space(str(path)).search
    assert found is not None
    assert found.objectives == ("val/auroc", "val/fpr_at_tpr_98")
    path.write_text(f"{own_images}  loss: baseline_BCE\n")
    (trial,) = load_space(str(path)).trials
    assert trial.data.title == "scans"
