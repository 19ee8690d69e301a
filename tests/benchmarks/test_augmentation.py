"""The benchmark of augmentation measures every named one beside a step."""

from __future__ import annotations

import re

import pytest

from benchmarks import augmentation
from search_spaces.policies import POLICIES


def test_every_named_augmentation_has_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    augmentation.main(["--width", "1", "--batch", "2", "--rounds", "1"])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("training step, width 1, batch 2, 1 threads: ")
    assert [line.split()[0] for line in lines] == list(POLICIES)
    for line in lines:
        share = re.search(r"([\d.]+) % of both$", line)
        assert share is not None
        assert 0 <= float(share[1]) < 100
