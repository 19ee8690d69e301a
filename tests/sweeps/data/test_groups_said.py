"""Groups from a folder of patients to stored scores: planned, trained, read again, scored elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result

from analysis.load import load_trial, read_test
from search_spaces.catalog import load_space
from search_spaces.config import DEFAULT_TARGETS, TrialConfig
from tests.trainer.image_files import encode, random_images
from trainer.data.groups import hashed
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.store.outputs import outputs_of
from trainer.trial import run_trial

Cli = Callable[..., Result]

SPACE = """
name: patients
fixed:
  data:
    source: {name: folder, folder: scans, size: 8, channels: 1, groups: {level: 1}}
    negative: [well]
    positive: [ill]
    validation_share: 0.25
    test_share: 0.25
  loss: baseline_BCE
  model: {name: small_cnn, width: 2}
  augmentation: none
  epochs: 1
  seeds: [1, 2]
grid: {ratio: [2]}
"""


def write_patients(root: Path, patients: int, first: int = 0) -> None:
    """PATIENT/well|ill/*.png, four and two of each patient."""
    for number in range(first, first + patients):
        for position in range(6):
            label = "ill" if position < 2 else "well"
            path = root / f"p{number:02d}" / label / f"{position}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(random_images(1, (1, 8, 8), 10 * number + position)[0]))


@pytest.fixture
def space(tmp_path: Path) -> Path:
    write_patients(tmp_path / "data" / "scans", 16)
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def trained(space: Path) -> tuple[TrialConfig, Store]:
    (config,) = load_space(str(space))
    store = Store(space.parent / "out")
    options = TrialOptions(data_dir=space.parent / "data")
    assert run_trial(config, store, torch.device("cpu"), options) == {1: "completed", 2: "completed"}
    return config, store


def test_plan_tells_how_many_groups_each_split_has(cli: Cli, space: Path) -> None:
    where = ("-o", space.parent / "out", "--data-dir", space.parent / "data")
    done = cli("plan", space, *where)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "  groups      8 in training, 4 in validation, 4 in test; none in two of them" in lines
    assert "  test        well 16, ill 8: drawn from the training images (test_share)" in lines


def test_plan_tells_a_group_that_stands_in_two_splits(cli: Cli, space: Path) -> None:
    root = space.parent / "data" / "scans"
    for split, patients, first in (("train", 9, 0), ("val", 3, 8), ("test", 3, 11)):
        write_patients(root / split, patients, first)
    space.write_text(SPACE.replace("    validation_share: 0.25\n    test_share: 0.25\n", ""))
    done = cli("plan", space, "-o", space.parent / "out", "--data-dir", space.parent / "data")
    assert done.exit_code == 2
    assert "expected every group in one split, found 1 group in both training and validation" in done.output


def test_shares_in_place_of_own_splits_need_permission(cli: Cli, space: Path) -> None:
    root = space.parent / "data" / "scans"
    for split, patients, first in (("train", 16, 0), ("val", 3, 20), ("test", 3, 30)):
        write_patients(root / split, patients, first)
    done = cli("plan", space, "-o", space.parent / "out", "--data-dir", space.parent / "data")
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "test_share would leave out its own test split of 18 images" in said
    assert "or no validation_share and no test_share" in said


def test_scores_stand_beside_hashed_groups(space: Path) -> None:
    config, store = trained(space)
    for done in store.replicates.ended(config.trial_id).values():
        table = store.replicates.read_scores(done)
        seen = []
        for split in ("val", "test"):
            found = outputs_of(table, split)
            assert found.groups is not None
            names = np.array([image_id.split("/")[0] for image_id in found.ids.tolist()])
            assert found.groups.tolist() == hashed(names).tolist()
            seen.append(set(found.groups.tolist()))
        assert not seen[0] & seen[1]


def test_a_table_s_test_record_has_the_groups_of_its_examples(space: Path) -> None:
    config, store = trained(space)
    record = read_test(store, load_trial(store, config, DEFAULT_TARGETS), DEFAULT_TARGETS)
    assert record is not None
    assert record.groups is not None
    assert len(record.groups) == len(record.targets) == 24
    # Sorted by id: the images of a patient stand together.
    assert (
        len(set(record.groups.tolist())) == 1 + np.count_nonzero(record.groups[1:] != record.groups[:-1]) == 4
    )


def test_patients_of_another_hospital_are_scored(cli: Cli, space: Path) -> None:
    config, store = trained(space)
    other = space.parent / "other"
    write_patients(other, 3, 50)
    (other / "p50" / "unclear").mkdir()
    (other / "p50" / "unclear" / "1.png").write_bytes(encode(random_images(1, (1, 8, 8), 999)[0]))
    done = cli("evaluate", config.trial_id, "--output", store.uri, "--data", other)
    assert done.exit_code == 0, done.output
    assert "18 examples" in done.stdout
    assert "6 of them positive" in done.stdout
    assert "p50/unclear/1.png" in done.stdout
    plain = space.parent / "plain"
    for label in ("well", "ill"):
        (plain / label).mkdir(parents=True)
        (plain / label / "1.png").write_bytes(encode(random_images(1, (1, 8, 8), len(label))[0]))
    done = cli("evaluate", config.trial_id, "--output", store.uri, "--data", plain)
    assert done.exit_code == 0, done.output
    assert "2 examples" in done.stdout
