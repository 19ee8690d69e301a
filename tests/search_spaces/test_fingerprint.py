"""A space's fingerprint: equal for the same trials, however they are written, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces.catalog import load_space
from search_spaces.yaml.space import read_space

GRID = "fixed: {dataset: digits, seeds: [1]}\ngrid: {loss: [baseline_BCE, baseline_s_LM_m05]}\n"
SEARCH = """
fixed: {dataset: digits, ratio: 20, seeds: [1]}
search:
  domains:
    loss.name: {choice: [bce, s_lm]}
    loss.margin: {log_uniform: [0.1, 10], when: {loss.name: [s_lm]}}
    epochs: {int_uniform: [2, 9]}
  objectives: [val/auroc]
  samples: 5
"""


def fingerprint(folder: Path, text: str) -> str:
    path = folder / "space.yaml"
    path.write_text(text)
    return read_space(path).fingerprint


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (GRID, "seeds: [1]", "seeds: [7, 8]"),
        (GRID, "[baseline_BCE, baseline_s_LM_m05]", "[baseline_s_LM_m05, bce]"),
        (GRID, "fixed:", "name: other\ndescription: words\ntpr_targets: [0.9]\nrows: [loss]\nfixed:"),
        (GRID, "dataset: digits", "dataset: DIGITS"),
        (SEARCH, "samples: 5", "samples: 50\n  seed: 4\n  start: [{loss: bce, epochs: 3}]"),
        (SEARCH, "seeds: [1]", "seeds: [1, 2]"),
        (SEARCH, "[bce, s_lm]", "[s_lm, bce]"),
        (SEARCH, "ratio: 20", "ratio: 20.0"),
    ],
)
def test_another_way_of_writing_is_the_same_space(tmp_path: Path, text: str, old: str, new: str) -> None:
    assert old in text
    assert fingerprint(tmp_path, text) == fingerprint(tmp_path, text.replace(old, new))


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (GRID, ", baseline_s_LM_m05]", "]"),
        (GRID, ", baseline_s_LM_m05]", ", baseline_s_LM_m2]"),
        (GRID, "seeds: [1]", "seeds: [1], epochs: 3"),
        (SEARCH, "ratio: 20", "ratio: 10"),
        (SEARCH, "[0.1, 10]", "[0.1, 9]"),
        (SEARCH, "log_uniform", "uniform"),
        (SEARCH, "[bce, s_lm]}", "[bce, s_lm, ldam]}"),
        (SEARCH, "    epochs: {int_uniform: [2, 9]}\n", ""),
        (SEARCH, "[val/auroc]", "[val/fpr_at_tpr_98]"),
        (SEARCH, "[val/auroc]", "[val/auroc, val/fpr_at_tpr_98]"),
    ],
)
def test_other_trials_are_another_space(tmp_path: Path, text: str, old: str, new: str) -> None:
    assert old in text
    assert fingerprint(tmp_path, text) != fingerprint(tmp_path, text.replace(old, new))


OWN = """
fixed:
  data: {source: {name: folder, folder: scans}, negative: [benign], positive: [malignant], label: Scans}
  seeds: [1]
  epochs: 3
"""


@pytest.mark.parametrize(
    "block", ["grid: {loss: [bce]}\n", "search: {domains: {loss: {choice: [bce, ldam]}}}\n"]
)
def test_a_label_tells_no_space_from_another(tmp_path: Path, block: str) -> None:
    labelled = OWN + block
    assert fingerprint(tmp_path, labelled) == fingerprint(tmp_path, labelled.replace(", label: Scans", ""))
    assert fingerprint(tmp_path, labelled) != fingerprint(tmp_path, labelled.replace("scans", "other"))


def test_a_condition_is_part_of_a_search(tmp_path: Path) -> None:
    """Both have the same values at the ends of their domains."""
    domains = "{sampler: {choice: [shuffle, class_balanced]}, epochs: {int_uniform: [2, 100]%s}}"
    text = f"fixed: {{dataset: digits, loss: baseline_BCE, epochs: 100}}\nsearch: {{domains: {domains}}}\n"
    text = text.replace(", epochs: 100}", "}")
    always = fingerprint(tmp_path, text % "")
    assert fingerprint(tmp_path, text % ", when: {sampler: [shuffle]}") != always


def test_a_named_space_and_its_file_are_one() -> None:
    as_file = Path(__file__).parents[2] / "docs" / "spaces" / "demo.yaml"
    assert read_space(as_file).fingerprint == load_space("demo").fingerprint
