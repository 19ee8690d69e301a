"""The examples in the docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import search_spaces

MODULES = [module.name for module in pkgutil.iter_modules(search_spaces.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"search_spaces.{name}")).failed == 0
