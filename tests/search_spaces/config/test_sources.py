"""What a data set of one's own may be called, and how its values may be scaled."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from pydantic import ValidationError

from search_spaces.catalog import load_space
from search_spaces.config import (
    Binary,
    Cifar10,
    Digits,
    Groups,
    ImageFolder,
    MedMnist,
    Percentiles,
    TrialConfig,
)
from search_spaces.errors import SpaceError

SPACE = """
fixed:
  data:
    source: {{name: folder, {source}}}
    negative: [benign]
    positive: [malignant]
  loss: baseline_BCE
"""


def trial_of(folder: Path, source: str) -> TrialConfig:
    """The one trial of a space in YAML."""
    path = folder / "space.yaml"
    path.write_text(SPACE.format(source=source), encoding="utf-8")
    (trial,) = load_space(str(path))
    return trial


@pytest.mark.parametrize(
    "name",
    [
        *("scans", "Chest X-Ray", "données", unicodedata.normalize("NFD", "données"), "恶性", "a/b/c"),
        *(".hidden", "-x", "..x", "a%b?#c&=", 'quo"te', "back\\slash", " space ", "x" * 300),
    ],
)
def test_a_folder_is_called_as_it_is_typed(name: str) -> None:
    source = ImageFolder(folder=name)
    assert source.folder == source.title == name
    assert ImageFolder.model_validate_json(source.model_dump_json()) == source


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "/scans",
        "~/scans",
        "../scans",
        "a/../b",
        "a/..",
        "a//b",
        "./a",
        "/",
        "a\nb",
        "a\x1bb",
        "a\0",
        "a\u202eb",
    ],
)
def test_a_folder_lies_below_the_data_directory(name: str) -> None:
    with pytest.raises(ValidationError, match="expected a path below the data directory"):
        ImageFolder(folder=name)


def test_a_slash_at_the_end_names_the_same_folder(tmp_path: Path) -> None:
    assert trial_of(tmp_path, "folder: scans/") == trial_of(tmp_path, "folder: scans")


def test_the_default_scaling_is_no_part_of_the_identity(tmp_path: Path) -> None:
    plain = trial_of(tmp_path, "folder: scans")
    assert plain.trial_id == "fbe0bdea02fb0a56"
    assert trial_of(tmp_path, "folder: scans, scaling: full_range") == plain
    assert "scaling" not in plain.identity()
    scaled = trial_of(tmp_path, "folder: scans, scaling: {percentiles: [1, 99]}")
    assert isinstance(scaled.data, Binary)
    assert isinstance(scaled.data.source, ImageFolder)
    assert scaled.data.source.scaling == Percentiles(percentiles=(1.0, 99.0))
    assert TrialConfig.model_validate_json(scaled.model_dump_json()) == scaled
    assert scaled.trial_id != plain.trial_id


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("scaling: max", 'source.scaling: expected full_range or {percentiles: [1, 99]}, given "max"'),
        (
            "scaling: {percentiles: [99, 1]}",
            "scaling.percentiles: expected two percentiles, 0 to 100, the lower",
        ),
        ("scaling: {percentiles: [1, 101]}", "scaling.percentiles: expected two percentiles, 0 to 100"),
        ("scaling: {percentiles: [1]}", "source.scaling.percentiles[1]: expected a value, given nothing"),
        ("scaling: {percentiles: 5}", "source.scaling.percentiles: expected a list, given 5"),
        ("size: 2", "source.size: expected a number of at least 4, given 2"),
    ],
)
def test_what_is_wrong_is_said_at_its_key(said: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpaceError) as error:
        trial_of(tmp_path, f"folder: scans, {said}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("folder: scans, groups: {level: 1}", Groups(level=1)),
        ("folder: scans, groups: {pattern: '^([0-9]+)_'}", Groups(pattern="^([0-9]+)_")),
    ],
)
def test_groups_are_part_of_a_trials_identity_where_there_are_some(
    source: str, said: Groups, tmp_path: Path
) -> None:
    trial, plain = trial_of(tmp_path, source), trial_of(tmp_path, "folder: scans")
    assert trial.data.source.groups == said
    assert trial.trial_id != plain.trial_id
    assert "groups" not in plain.model_dump_json()
    assert f'"groups":{{"{said.key}":' in trial.model_dump_json()
    assert TrialConfig.model_validate_json(trial.model_dump_json()) == trial


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("{}", "groups: expected one of column, level and pattern, given none"),
        ("{level: 1, pattern: '(a)'}", "expected one of column, level and pattern, given level and pattern"),
        ("{level: 0}", "level: expected a number of at least 1, given 0"),
        ("{column: patient}", "expected groups by level or pattern of source folder, given groups by column"),
        ("{pattern: '(['}", "pattern: expected a regular expression, given '(['"),
        ("{pattern: 'patient'}", "pattern: expected a regular expression with one group in brackets"),
        ("{pattern: '(a)(b)'}", "pattern: expected a regular expression with one group in brackets"),
        ("patient", "groups: expected a mapping"),
    ],
)
def test_groups_that_cannot_be_told_are_one_line(groups: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpaceError) as refused:
        trial_of(tmp_path, f"folder: scans, groups: {groups}")
    said = str(refused.value)
    assert "fixed.data.source.groups" in said
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("groups", [Groups(column="a"), Groups(level=1), Groups(pattern="(a)")])
def test_a_source_says_which_groups_it_knows(groups: Groups) -> None:
    sources = {
        "digits": lambda: Digits(groups=groups),
        "medmnist": lambda: MedMnist(subset="breastmnist", groups=groups),
        "cifar10": lambda: Cifar10(groups=groups),
        "folder": lambda: ImageFolder(folder="scans", groups=groups),
    }
    known = {"column": {"medmnist", "cifar10"}, "level": {"folder"}, "pattern": {"cifar10", "folder"}}
    for name, make in sources.items():
        if name in known[groups.key]:
            assert make().groups == groups
            continue
        with pytest.raises(ValidationError, match=f"of source {name}, given groups by {groups.key}"):
            make()
