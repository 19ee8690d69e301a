"""The examples in the docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["jobs", "launch", "progress", "cli.report"])
def test_examples(name: str) -> None:
    done = doctest.testmod(importlib.import_module(f"sweeps.{name}"))
    assert (done.failed, done.attempted > 0) == (0, True)
