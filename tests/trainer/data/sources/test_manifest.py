"""A table of images: what it may say, and what is refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from search_spaces.config import Binary, Groups, Manifest, MultiLabel
from search_spaces.errors import DataError
from tests.trainer.image_files import encode, random_images
from trainer.data import task as data
from trainer.data.sources.images import RawData
from trainer.data.sources.read import list_source, read_source
from trainer.data.survey import look_at_labels
from trainer.data.task import TaskData, load_task

# Label b is rare; a and b may stand together.
COUNT, A, B = 200, 4, 7
PIXELS = random_images(COUNT, (3, 8, 8))
NAMES = [f"images/{number:03d}.png" for number in range(COUNT)]
IN_A = [int(number % A == 0) for number in range(COUNT)]
IN_B = [int(number % B == 0) for number in range(COUNT)]
LISTS = ["|".join(filter(None, ("a" * a, "b" * b))) for a, b in zip(IN_A, IN_B, strict=True)]
PATIENTS = [f"p{number // 2:03d}" for number in range(COUNT)]
Columns = dict[str, Sequence[Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with the images."""
    (tmp_path / "scans" / "images").mkdir(parents=True)
    for name, image in zip(NAMES, PIXELS, strict=True):
        (tmp_path / "scans" / name).write_bytes(encode(image))
    return tmp_path


def write_csv(root: Path, columns: Columns) -> None:
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    (root / "scans" / "labels.csv").write_text("\n".join([",".join(columns), *rows]) + "\n")


def source(**changes: Any) -> Manifest:
    return Manifest.model_validate({"file": "scans/labels.csv", "size": 8, **changes})


def task(given: Manifest, **changes: Any) -> MultiLabel:
    fields = {"classes": ("a", "b"), "critical": ("b",), "validation_share": 0.2, "test_share": 0.2}
    return MultiLabel.model_validate({"source": given, **fields, **changes})


def load(given: MultiLabel | Binary, root: Path) -> TaskData:
    data.read_splits.cache_clear()
    return load_task(given, root)


def read(given: Manifest, root: Path, asked: Sequence[str] = ("a", "b")) -> RawData:
    return read_source(given, tuple(asked), root, download=False)


@pytest.mark.parametrize("way", ["columns", "lists", "parquet lists", "parquet bytes"])
def test_labels_in_every_way_are_the_same(way: str, root: Path) -> None:
    lists = [text.split("|") if text else [] for text in LISTS]
    given = source()
    if way == "columns":
        write_csv(root, {"image": NAMES, "b": IN_B, "a": IN_A})
    elif way == "lists":
        write_csv(root, {"image": NAMES, "finding": LISTS})
        given = source(labels="finding")
    else:
        images: Any = NAMES
        if way == "parquet bytes":
            images = [{"bytes": encode(image), "path": None} for image in PIXELS]
        table = pa.table({"image": images, "finding": lists})
        pq.write_table(table, root / "scans" / "labels.parquet", row_group_size=30)
        given = source(labels="finding", file="scans/labels.parquet")
    raw = read(given, root)
    assert raw.train.classes.tolist() == [[a, b] for a, b in zip(IN_A, IN_B, strict=True)]
    assert raw.train.classes.dtype == np.uint8
    assert np.array_equal(raw.train.pixels, PIXELS)
    expected = list(range(COUNT)) if way == "parquet bytes" else NAMES
    assert raw.train.ids.tolist() == expected
    assert read(given, root, ("b", "a")).train.classes.tolist() == [
        list(row[::-1]) for row in raw.train.classes
    ]


def test_shards_of_hugging_face_are_splits(root: Path) -> None:
    (root / "scenes").mkdir()
    lists = [text.split("|") if text else [] for text in LISTS]
    for split, first in (("train", 0), ("train", 80), ("validation", 160), ("test", 180)):
        last = first + (80 if split == "train" else 20)
        shard = "-00000-of-00001" if split != "train" else f"-{first // 80:05d}-of-00002"
        cells = [{"bytes": encode(image), "path": None} for image in PIXELS[first:last]]
        table = pa.table({"image": cells, "labels": lists[first:last]})
        pq.write_table(table, root / "scenes" / f"{split}{shard}.parquet", row_group_size=7)
    raw = read(source(file="scenes", labels="labels"), root)
    assert raw.validation is not None
    assert raw.test is not None
    for images, first, last in ((raw.train, 0, 160), (raw.validation, 160, 180), (raw.test, 180, 200)):
        assert np.array_equal(images.pixels, PIXELS[first:last])
        assert images.ids.tolist() == list(range(last - first))
        assert images.classes[:, 1].tolist() == IN_B[first:last]
    (root / "scenes" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="missing: train-00001-of-00002"):
        read(source(file="scenes", labels="labels"), root)


def test_a_class_each_serves_a_task_of_classes(root: Path) -> None:
    kinds = ["", "ill", "well"]
    write_csv(root, {"image": NAMES, "kind": [kinds[min(n % 5, 2)] for n in range(COUNT)]})
    given = Binary(
        source=source(label="kind"),
        negative=("well",),
        positive=("ill",),
        validation_per_class=10,
        test_per_class=10,
    )
    found = load(given, root)
    assert found.splits.sizes.train == (100, 20)
    (finding,) = look_at_labels([given], root).values()
    assert finding.survey is not None
    assert [str(part) for part in finding.survey.left_out] == [
        "rows without a label: 40, for example images/000.png"
    ]
    with pytest.raises(DataError, match=r"unknown class label 'sick'; known: 'ill', 'well'"):
        read(source(label="kind"), root, ("sick", "well"))
    with pytest.raises(
        DataError, match="expected label sets for a multi_label task, found one class per image"
    ):
        load(task(source(label="kind"), classes=("ill", "well"), critical=("ill",)), root)


def test_a_column_tells_the_split_and_groups_stay_on_one_side(root: Path) -> None:
    splits = ["train"] * 120 + ["val"] * 40 + ["Test_Set"] * 40
    columns: Columns = {"image": NAMES, "a": IN_A, "b": IN_B, "patient": PATIENTS, "split": splits}
    write_csv(root, columns)
    given = task(
        source(split="split", groups=Groups(column="patient")), validation_share=None, test_share=None
    )
    found = load(given, root)
    assert list(map(len, (found.pool, found.validation, found.test))) == [120, 40, 40]
    write_csv(root, {**columns, "patient": [*PATIENTS[:-1], "p000"]})
    with pytest.raises(DataError, match=r"every group in one split, found 1 group in both train.* and test"):
        load(given, root)
    write_csv(root, {**columns, "split": [*splits[:-1], "later"]})
    with pytest.raises(DataError, match=r"like train, val or test, found 'later' of images/199\.png"):
        load(given, root)
    by_name = source(groups=Groups(pattern="^(..)"))
    assert read(by_name, root).train.groups.tolist()[:11] == ["00"] * 10 + ["01"]  # type: ignore[union-attr]


def spoil(root: Path) -> None:
    """One image in a hundred is cut off, and one is missing."""
    for number in (10, 110):
        path = root / "scans" / NAMES[number]
        path.write_bytes(path.read_bytes()[:60])
        (root / "scans" / NAMES[number + 1]).unlink()


def test_missing_and_damaged_images_stop_with_their_names(root: Path) -> None:
    write_csv(root, {"image": NAMES, "a": IN_A, "b": IN_B})
    spoil(root)
    expected = (
        r"^manifest scans/labels\.csv: 2 of 200 images cannot be read: 2 that are missing "
        r"\(images/011\.png, images/111\.png\)$"
    )
    with pytest.raises(DataError, match=expected):
        load(task(source()), root)
    (finding,) = look_at_labels([task(source())], root).values()
    assert "2 that are missing" in str(finding.fault)  # before anything is decoded
    for number in (11, 111):
        (root / "scans" / NAMES[number]).write_bytes(encode(PIXELS[number]))
    expected = (
        r"2 of 200 images cannot be read: 2 that could not be decoded \(images/010\.png, images/110\.png: "
    )
    with pytest.raises(DataError, match=expected):
        load(task(source()), root)


def test_missing_and_damaged_images_are_skipped_and_told(root: Path) -> None:
    write_csv(root, {"image": NAMES, "a": IN_A, "b": IN_B})
    spoil(root)
    given = task(source(bad_files="skip"))
    (finding,) = look_at_labels([given], root).values()
    assert finding.survey is not None
    assert [str(part) for part in finding.survey.left_out] == [
        "images that are missing (skipped): 2, for example images/011.png, images/111.png"
    ]
    found = load(given, root)
    ids = {name for split in (found.pool, found.validation, found.test) for name in split.ids.tolist()}
    assert ids == set(NAMES) - {NAMES[number] for number in (10, 11, 110, 111)}
    for split in (found.pool, found.validation, found.test):
        rows = [NAMES.index(name) for name in split.ids.tolist()]
        assert np.array_equal(split.pixels, PIXELS[rows])
        assert split.targets.tolist() == [[IN_A[row], IN_B[row]] for row in rows]
    assert [str(part) for part in found.splits.copies] == [
        "images that could not be decoded (skipped): 2, for example images/010.png, images/110.png"
    ]


def put(columns: Columns, name: str, row: int, value: object) -> Columns:
    values = list(columns[name])
    values[row] = value
    return {**columns, name: values}


REFUSED: dict[str, tuple[Callable[[Columns], Columns], str]] = {
    "text": (
        lambda c: put(c, "b", 7, "yes please"),
        r"expected 0 or 1 in the column 'b' of a label, found 1 other value: 'yes please' of images/007\.png",
    ),
    "empty": (lambda c: put(c, "b", 7, ""), r"found 1 other value: '' of images/007\.png"),
    "no positives": (
        lambda c: {**c, "b": [0] * COUNT},
        "expected images with the label 'b', found none of 200 images",
    ),
    "no column": (
        lambda c: {"image": c["image"], "a": c["a"]},
        r"expected the column 'b' \(a label of the task; or label, labels\), found image, a",
    ),
    "outside": (
        lambda c: put(c, "image", 3, "../../etc/passwd"),
        r"expected paths of images inside the folder .*scans, found 1 other: row 3: '\.\./\.\./etc/passwd'",
    ),
    "absolute": (lambda c: put(c, "image", 3, "/etc/passwd"), r"found 1 other: row 3: '/etc/passwd'"),
    "twice": (lambda c: put(c, "image", 3, "images/./004.png"), r"once, found 1 repetition: images/004\.png"),
    "no image": (
        lambda c: {"path": c["image"], "a": c["a"], "b": c["b"]},
        r"column 'image' \(image\), found path",
    ),
}


@pytest.mark.parametrize("policy", ["stop", "skip"])
@pytest.mark.parametrize("fault", REFUSED)
def test_what_a_table_may_not_say_is_refused_in_one_line(fault: str, policy: str, root: Path) -> None:
    change, expected = REFUSED[fault]
    write_csv(root, change({"image": NAMES, "a": IN_A, "b": IN_B}))
    given = task(source(bad_files=policy))
    with pytest.raises(DataError, match=expected) as found:
        load(given, root)
    assert "\n" not in str(found.value)
    (finding,) = look_at_labels([given], root).values()
    assert finding.fault == str(found.value)


def test_a_label_that_one_split_lacks_is_refused(root: Path) -> None:
    splits = ["train"] * 120 + ["val"] * 40 + ["test"] * 40
    rare = [1 if 2 < number < 9 or number in (130, 131) else 0 for number in range(COUNT)]
    write_csv(root, {"image": NAMES, "a": IN_A, "b": rare, "split": splits})
    with pytest.raises(DataError, match="the test split has no example with label 'b'"):
        load(task(source(split="split"), validation_share=None, test_share=None), root)


def test_files_that_are_no_table_are_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"expected a table .*labels\.csv, found none"):
        read(source(), root)
    with pytest.raises(DataError, match=r"expected a file ending \.csv or \.parquet, or a folder with"):
        read(source(file="scans"), root)
    (root / "scans" / "labels.csv").write_text("image,a,b\nimages/000.png,1\n")
    with pytest.raises(DataError, match="expected a table, could not read it: CSV parse error"):
        read(source(), root)
    (root / "scans" / "labels.csv").write_bytes(b"")
    with pytest.raises(DataError, match="expected a table, could not read it"):
        read(source(), root)
    (root / "scans" / "labels.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="expected a table, could not read it"):
        read(source(file="scans/labels.parquet"), root)


@pytest.mark.parametrize(
    "changes", [{"file": "../labels.csv"}, {"folder": "/images"}, {"label": "a", "labels": "b"}]
)
def test_what_a_space_may_not_say(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        source(**changes)


def test_labels_are_listed_without_decoding(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(root, {"image": NAMES, "a": IN_A, "b": IN_B})
    monkeypatch.setattr(
        "trainer.data.sources.manifest.decode_source", lambda *arguments: pytest.fail("decoded")
    )
    listing = list_source(source(), ("a", "b"), root, download=False)
    assert listing.train.sum(axis=0).tolist() == [sum(IN_A), sum(IN_B)]
