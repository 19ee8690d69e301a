"""docs/your-data.md: every file on the page is planned, looked at, and one is trained, on made-up images."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from PIL import Image

from sweeps.driver import data_look
from sweeps.driver.data_look import Request
from tests.trainer.image_files import encode, random_images, write_class_folders, write_npz
from trainer.data.task import read_splits

Cli = Callable[..., Result]
PAGE = Path(__file__).parents[1] / "docs" / "your-data.md"
FILES = dict(re.findall(r"```yaml\n# ([\w-]+\.yaml)\n(.*?)```", PAGE.read_text(), re.DOTALL))
MANY, FEW = 60, 30


def folders(root: Path) -> None:
    """Photographs of two classes, one of them lying on its side."""
    write_class_folders(
        root / "skin",
        {"naevus": random_images(MANY, (3, 12, 12)), "melanoma": random_images(FEW, (3, 12, 12), 1)},
    )
    exif = Image.Exif()
    exif[274] = 6
    lying = Image.fromarray(np.moveaxis(random_images(1, (3, 20, 30), 2)[0], 0, -1))
    lying.save(root / "skin" / "naevus" / "lying.jpg", exif=exif)


def hugging_face(root: Path) -> None:
    """Two shards of training rows and a file of test rows, written by row groups."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    (root / "pets").mkdir()
    for number, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test")):
        cells = [{"bytes": encode(image), "path": None} for image in random_images(MANY, (3, 10, 10), number)]
        columns = {"image": pa.array(cells, kind), "label": pa.array([row % 3 for row in range(MANY)])}
        pq.write_table(pa.table(columns), root / "pets" / f"{name}.parquet", row_group_size=25)


def manifest(root: Path) -> None:
    """A table with 120 images, of which one is missing and one is damaged."""
    folder = root / "scans" / "images"
    folder.mkdir(parents=True)
    rows = ["image,nodule,mass,effusion"]
    pixels = random_images(2 * MANY, (1, 10, 10))
    for number, image in enumerate(pixels):
        name = f"{number:03d}.png"
        (folder / name).write_bytes(encode(image))
        rows.append(f"images/{name},{int(number % 6 == 0)},{int(number % 2 == 0)},{int(number % 3 == 0)}")
    (folder / "007.png").unlink()
    (folder / "011.png").write_bytes(b"no image")
    (root / "scans" / "labels.csv").write_text("\n".join(rows) + "\n")


def npz(root: Path) -> None:
    """Three classes in three splits."""
    splits = {}
    for seed, name in enumerate(("train", "val", "test")):
        images = np.moveaxis(random_images(MANY, (3, 9, 9), seed), 1, -1)
        splits[name] = (images, np.arange(MANY)[:, None] % 3)
    write_npz(root / "lesions.npz", splits)


def patients(root: Path) -> None:
    """Ten patients with images of both classes."""
    for number in range(10):
        images = {
            "healthy": random_images(6, (3, 10, 10), number),
            "tumour": random_images(4, (3, 10, 10), 90 + number),
        }
        write_class_folders(root / "slides" / f"p{number}", images)


MADE = {
    "folders.yaml": folders,
    "hugging-face.yaml": hugging_face,
    "manifest.yaml": manifest,
    "npz.yaml": npz,
    "patients.yaml": patients,
}
TOLD = {
    "folders.yaml": [
        "turned      1 image by EXIF",
        "modes       PNG, colour, 8-bit (90); JPEG, colour, 8-bit (1)",
    ],
    "hugging-face.yaml": ["files       180 images", "class 2        32           8    20"],
    "manifest.yaml": [
        "images that are missing (skipped): 1",
        "label     training  validation  test",
        "1 of them without a header that can be read",
    ],
    "npz.yaml": [
        "trained as  9 x 9, colour, 8-bit\n  duplicates",
        "class 2        20          20    20",
    ],
    "patients.yaml": ["groups      6 in training, 2 in validation, 2 in test", "sizes       10 x 10 (100)"],
}


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look in this process, which has torch already."""

    def ask(module: str, request: Request, what: str, hear: object) -> object:
        assert module == "sweeps.driver.data_look"
        read_splits.cache_clear()
        return data_look.look(Request.model_validate_json(request.model_dump_json())).model_dump(mode="json")

    monkeypatch.setattr("sweeps.driver.data_look.ask", ask)


def written(folder: Path, name: str) -> Path:
    """A file of the page, beside the data that it is about."""
    (folder / "data").mkdir()
    MADE[name](folder / "data")
    path = folder / name
    path.write_text(FILES[name])
    return path


def test_every_file_of_the_page_has_made_up_images() -> None:
    assert FILES.keys() == MADE.keys()
    assert PAGE.read_text().count("```yaml") == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_page_are_planned_and_looked_at(
    name: str, cli: Cli, tmp_path: Path, in_process: None
) -> None:
    space = written(tmp_path, name)
    options = ["--data-dir", tmp_path / "data", "-o", tmp_path / "out"]
    planned = cli("plan", space, *options)
    assert planned.exit_code == 0, planned.output
    assert "  training " in planned.stdout
    looked = cli("data", space, *options, "--augmented", "--sheets", tmp_path / "look")
    assert looked.exit_code == 0, looked.output
    for words in TOLD[name]:
        assert words in looked.stdout, looked.stdout
    sheets = re.findall(r"^  examples    (.*)$", looked.stdout, re.MULTILINE)
    assert len(sheets) == 2, "as they are, and as the default augmentation makes them"
    for sheet in sheets:
        with Image.open(io.BytesIO(Path(sheet).read_bytes())) as image:
            assert image.width > image.height / 4 > 50
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["manifest.yaml"])
def test_a_file_of_the_page_is_trained(name: str, cli: Cli, tmp_path: Path) -> None:
    space = written(tmp_path, name)
    text, replaced = re.subn(
        r"epochs: 30\n  seeds: .*", "epochs: 1\n  seeds: [1]\n  patience: null", FILES[name]
    )
    assert replaced == 1
    space.write_text(text.replace("size: 64", "size: 16"))
    done = cli("train", space, "--trial", 1, "--data-dir", tmp_path / "data", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "n=1/1" in done.stdout
