"""The count of near copies: what the rule finds and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.near_copies import LEAST_CORRELATION, main, nearest


def test_shifted_mirrored_and_recoloured_copies_are_found_and_other_images_are_not() -> None:
    generator = np.random.default_rng(0)
    pool = generator.integers(40, 200, size=(5, 3, 16, 16), dtype=np.uint8)
    shifted = np.roll(pool[0], (2, -3), axis=(1, 2))
    mirrored = pool[1][..., ::-1]
    brighter = pool[2] + np.array([10, 0, 30], np.uint8)[:, None, None]
    noisy = (pool[3] + generator.integers(-8, 9, size=pool[3].shape)).astype(np.uint8)
    other = generator.integers(40, 200, size=(3, 16, 16), dtype=np.uint8)
    far = np.roll(pool[4], (6, 0), axis=(1, 2))
    plain = np.full((3, 16, 16), 77, np.uint8)
    images = np.stack([shifted, mirrored, brighter, noisy, other, far, plain])
    found = nearest(images, pool) >= LEAST_CORRELATION
    assert found.tolist() == [True] * 4 + [False] * 3


def test_missing_data_is_one_line(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def test_the_command_tells_both_roles(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--task", "digits-critical"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "of 180 positive test images have a near copy among the" in first
    assert "of 420 negative test images" in second
