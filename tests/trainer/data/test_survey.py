from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from search_spaces.config import Binary, Cifar10, Digits, Groups, ImageFolder, Task
from search_spaces.errors import DataError
from tests.trainer.image_files import random_images, write_class_folders
from trainer.data import task as data
from trainer.data.sources.images import LeftOut
from trainer.data.survey import Finding, HeldOutFacts, Survey, look_at_labels
from trainer.data.survey_pixels import look_at_pixels

SCANS = Binary(
    source=ImageFolder(folder="scans", size=8),
    negative=("benign",),
    positive=("malignant",),
    validation_per_class=5,
    test_per_class=5,
)


def _write(split: Path, benign: int, malignant: int, seed: int = 0) -> None:
    images = {
        "benign": random_images(benign, (3, 8, 8), seed),
        "malignant": random_images(malignant, (3, 8, 8), seed + 1),
    }
    write_class_folders(split, images)


def _survey(finding: Finding) -> Survey:
    assert finding.survey is not None, finding.fault
    return finding.survey


def _look(task: Task, data_dir: Path) -> Finding:
    data.read_splits.cache_clear()
    return look_at_pixels(look_at_labels([task], data_dir), data_dir)[task]


def test_labels_tell_which_ratio_is_impossible_and_what_the_others_train_on(tmp_path: Path) -> None:
    _write(tmp_path / "scans", 60, 20)
    tasks = [SCANS.with_ratio(ratio) for ratio in (3.0, 5.0, None)]
    found = look_at_labels(tasks, tmp_path)
    assert list(found) == tasks
    impossible, possible, whole = found.values()
    assert impossible.survey is None
    assert impossible.fault == (
        "scans: ratio 1:3 of 45 training negatives asks for 15 positives of class 'malignant', there are 10 "
        "besides validation and test"
    )
    assert not impossible.is_missing
    drawn = HeldOutFacts(counts=(5, 5), drawn=True)
    told = Survey(train=(45, 9), sizes=(50, 10), validation=drawn, test=drawn, images=80)
    assert _survey(possible) == told
    assert _survey(whole).train == (45, 9)


def test_own_splits_that_are_replaced_are_counted(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "val", "test")):
        _write(tmp_path / "scans" / split, 20, 20, seed * 10)
    half = SCANS.model_copy(update={"validation_per_class": None})
    own = half.model_copy(update={"test_per_class": None})
    found = look_at_labels([SCANS, half, own], tmp_path)
    assert [_survey(finding).replaces for finding in found.values()] == [
        ("validation", "test"),
        ("test",),
        (),
    ]
    assert _survey(found[SCANS]).test == HeldOutFacts(counts=(5, 5), drawn=True, replaced=40)
    assert _survey(found[own]).test == HeldOutFacts(counts=(20, 20), drawn=False)


def test_missing_files_are_told_apart_from_malformed_ones(tmp_path: Path) -> None:
    _write(tmp_path / "scans", 20, 20)
    unknown = SCANS.model_copy(update={"positive": ("Malignant",)})
    elsewhere = SCANS.model_copy(update={"source": ImageFolder(folder="other")})
    cifar = Binary(source=Cifar10(), negative=(1,), positive=(9,))
    found = look_at_labels([unknown, elsewhere, cifar], tmp_path)
    assert [finding.is_missing for finding in found.values()] == [False, True, True]
    assert "unknown class label 'Malignant'; known: 'benign', 'malignant'" in (found[unknown].fault or "")
    assert look_at_labels([SCANS], None)[SCANS].is_missing
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "train-00000-of-00002.parquet").touch()
    for split in ("train", "dev", "val"):
        _write(tmp_path / "other" / split, 1, 1)
    found = look_at_labels([elsewhere, cifar], tmp_path)
    assert [finding.is_missing for finding in found.values()] == [False, False]
    digits = Binary(source=Digits(), negative=(1,), positive=(8,), validation_per_class=500, test_per_class=1)
    assert "validation_per_class asks for 500" in (look_at_labels([digits], None)[digits].fault or "")


@pytest.mark.parametrize(
    ("groups", "split"), [(None, "benign/p1"), (Groups(level=2), "."), (Groups(level=1), "a/b/c")]
)
def test_images_at_another_depth_are_a_fault_and_not_missing(
    tmp_path: Path, groups: Groups | None, split: str
) -> None:
    _write(tmp_path / "scans" / split, 20, 20)
    source = ImageFolder(folder="scans", size=8, groups=groups)
    finding = look_at_labels([SCANS.model_copy(update={"source": source})], tmp_path).popitem()[1]
    assert finding.fault is not None
    assert not finding.is_missing


def test_too_few_examples_are_told_with_what_was_passed_over(tmp_path: Path) -> None:
    _write(tmp_path / "scans", 20, 20)
    for path in sorted((tmp_path / "scans" / "malignant").iterdir())[3:]:
        path.rename(path.with_suffix(".dcm"))
    told = r"there are 3 \(passed over: files ending .dcm: 17, for example malignant/003.dcm\)"
    assert re.search(told, look_at_labels([SCANS], tmp_path)[SCANS].fault or "")
    with pytest.raises(DataError, match=told):
        data.load_task(SCANS, tmp_path)


def test_pixels_add_copies_and_the_hash(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        _write(tmp_path / "scans" / split, 20, 20, seed * 10)
    (tmp_path / "scans" / "train" / "benign" / "list.csv").write_text("a")
    copy = tmp_path / "scans" / "test" / "malignant" / "000.png"
    (tmp_path / "scans" / "train" / "benign" / "000.png").write_bytes(copy.read_bytes())
    task = SCANS.model_copy(update={"test_per_class": None})
    found = _survey(_look(task, tmp_path))
    assert found.sizes == (14, 15)
    assert [part.count for part in found.left_out] == [1, 1]
    assert found.left_out[0] == LeftOut("files ending .csv", 1, "train/benign/list.csv")
    assert found.left_out[1].reason == "training images that are copies of validation or test images"
    assert found.sha256 == data.load_task(task, tmp_path).sha256
    (tmp_path / "scans" / "train" / "benign" / "more.csv").write_text("b")  # no image: what is cached stays
    assert [part.count for part in _survey(_look(task, tmp_path)).left_out] == [2, 1]


def test_all_that_pixels_tell_of_an_impossible_task_is_told_at_once(tmp_path: Path) -> None:
    _write(tmp_path / "scans", 60, 20)
    names = ("benign/003.png", "benign/041.png", "malignant/019.png")
    for name in names:
        (tmp_path / "scans" / name).write_bytes(b"no image")
    tasks = [SCANS.with_ratio(ratio) for ratio in (5.0, 10.0)]
    found = look_at_pixels(look_at_labels(tasks, tmp_path), tmp_path)
    for task in tasks:
        assert all(name in (found[task].fault or "") for name in names)


def test_what_labels_tell_needs_no_torch() -> None:
    code = "import sys, trainer.data.survey; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("finding", [Finding(fault="no"), Finding(survey=None, is_missing=True)])
def test_findings_travel_as_json(finding: Finding) -> None:
    assert Finding.model_validate_json(finding.model_dump_json()) == finding
    survey = Survey(
        train=(1, 2),
        sizes=(3, 4),
        validation=HeldOutFacts(counts=(5, 6), drawn=True, replaced=7),
        test=HeldOutFacts(counts=(8, 9), drawn=False),
        left_out=(LeftOut("files ending .txt", 1, "a.txt"),),
        sha256="abc",
    )
    whole = Finding(survey=survey)
    assert Finding.model_validate_json(whole.model_dump_json()) == whole
