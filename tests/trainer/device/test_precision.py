"""Whether a device has arithmetic for bf16: by what torch says of it."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch

from trainer.device.precision import has_bf16


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({}, False),
    ],
)
def test_a_cpu_has_bf16_by_its_features(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(features), raising=False)
    assert has_bf16(torch.device("cpu")) == expected


def test_a_torch_without_the_list_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not has_bf16(torch.device("cpu"))


@pytest.mark.parametrize("native", [True, False])
def test_emulated_bf16_of_a_gpu_does_not_count(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    def supported(*, including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert has_bf16(torch.device("cuda")) == native
