"""The benchmark of large sets makes its files and measures both contestants."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import large_images
from tests.trainer.image_files import random_images, write_parquet


def test_files_are_made_once_and_both_contestants_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(large_images, "SIDE", 16)
    labels = np.arange(60) % 10
    for split in ("train", "test"):
        write_parquet(tmp_path / "cifar10" / f"{split}.parquet", random_images(60), labels)
    large_images.make_images(tmp_path, tmp_path / "made", 45)
    files = sorted((tmp_path / "made" / "set").glob("*/*.jpg"))
    assert len(files) == 45
    with Image.open(files[0]) as image:
        assert image.size == (16, 16)
    times = [path.stat().st_mtime_ns for path in files]
    large_images.make_images(tmp_path, tmp_path / "made", 45)
    assert [path.stat().st_mtime_ns for path in files] == times
    for contestant in large_images.CONTESTANTS:
        given = ["--measure", contestant, "--folder", str(tmp_path / "made"), "--epochs", "1"]
        assert large_images.main(given) == 0
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found["contestant"] == contestant
        assert len(found["images_per_second"]) == 1
        assert found["images_per_second"][0] > 0
        assert found["peak_private_mib"] > 0
