"""Mostly in processes of their own: an operator that was declared stays declared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes import PATIENCE
from trainer.compat import import_torchvision_datasets


def _run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_data_sets_can_be_imported_and_nothing_imports_torchvision_before() -> None:
    code = """
import sys
import trainer.data.task, trainer.data.augmentation, trainer.data.sampler
from trainer.compat import import_torchvision_datasets
print("torchvision" in sys.modules)
print(import_torchvision_datasets().CIFAR10.__name__, import_torchvision_datasets().CIFAR100.__name__)
"""
    assert _run(code) == "False\nCIFAR10 CIFAR100"


def test_missing_operators_are_declared_and_the_import_tried_again() -> None:
    code = """
import importlib, sys, types
import torch
from trainer import compat

calls = []
def fake(name):
    calls.append(name)
    if len(calls) == 1:
        sys.modules["torchvision.half"] = types.ModuleType("half")
        raise RuntimeError("operator torchvision::nms does not exist")
    return "torchvision.half" in sys.modules
importlib.import_module = fake
left = compat.import_torchvision_datasets()
print(len(calls), left, torch.ops.torchvision.nms.default._schema, torch.ops.torchvision.qnms.default._schema)
"""
    schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    assert _run(code) == f"2 False torchvision::nms{schema} torchvision::qnms{schema}"


def test_another_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(f"cannot load {name}")

    monkeypatch.setattr("trainer.compat.importlib.import_module", fail)
    with pytest.raises(RuntimeError, match=r"cannot load torchvision\.datasets"):
        import_torchvision_datasets()
