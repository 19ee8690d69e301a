"""The harness finds members that do not keep their contract, and says what is wrong."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search_spaces.config import Bce
from tests.plugins import install, on_path, write_distribution
from trainer.testing import ContractBroken, check_augmentation, check_loss, check_model, check_source

CONFIG = """
from typing import ClassVar
from almsweep_example.config import Darken, Patches, Squared, Stripes

class TakesARow(Squared):
    family: ClassVar[str] = "BCE"
    name: str = "TakesARow"

class Miscounts(Patches):
    name: str = "Miscounts"

    def weight_count(self, **sizes):
        return 7

class OtherShape(Stripes):
    name: str = "OtherShape"

    @property
    def image_shape(self):
        return 3, self.size
"""

# A type that is broken by what implements it: the part of its name, if there is one.
TYPE = """
class {name}({base}):
    implementation: ClassVar[str] = "broken_parts:{name}"
    family: ClassVar[str] = "{name}"
    name: str = "{name}"
"""

PARTS = """
import numpy as np
import torch
from almsweep_example.torch_part import DarkenStep, StripesReader, patches
from torch import nn
from trainer.data.sources.images import Images, RawData

def AsksTheDevice(scores, targets, **parameters):
    return scores.mean() if scores.sum() > 0 else -scores.mean()

def Overflows(scores, targets, **parameters):
    return torch.exp(scores).mean()

def GivesRows(scores, targets, **parameters):
    return scores * targets

class Draw(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(1))
    def initialise(self, generator):
        self.shift.copy_(torch.rand(1))
    def forward(self, images):
        return images + self.shift

def DrawsAnyhow(config, *, channels, image_size, head):
    return nn.Sequential(Draw(), patches(config, channels=channels, image_size=image_size, head=head))

def OwnHead(config, *, channels, image_size, head):
    def linear(features):
        return nn.Linear(features, head(features).weight.shape[0], bias=hasattr(head(features), "bias"))
    return patches(config, channels=channels, image_size=image_size, head=linear)

class Centre(nn.Module):
    def forward(self, images):
        return images - images.mean(dim=0)

def Mixes(config, *, channels, image_size, head):
    return nn.Sequential(Centre(), patches(config, channels=channels, image_size=image_size, head=head))

class Overwrites(DarkenStep):
    def apply(self, images, draws):
        return images.mul_(0)

class TurnsToFloat(DarkenStep):
    def apply(self, images, draws):
        return images * draws[0][:, None, None, None]

class DrawsGlobally(DarkenStep):
    def draw(self, count, generator):
        return (torch.rand(count),)

class ManyOfOneId(StripesReader):
    def read(self, asked, data_dir, *, download):
        images = super().read(asked, data_dir, download=download).train
        return RawData(Images(images.pixels, images.classes, 0 * images.ids), None, None)

class Unsettled(StripesReader):
    def read(self, asked, data_dir, *, download):
        images = super().read(asked, data_dir, download=download).train
        noise = np.random.default_rng().integers(0, 2, images.pixels.shape, dtype=np.uint8)
        return RawData(Images(images.pixels ^ noise, images.classes, images.ids), None, None)
"""

# By group: what its members are else, those that are broken themselves, and those whose parts are.
BROKEN = {
    "almsweep.losses": ("Squared", ["TakesARow"], ["AsksTheDevice", "Overflows", "GivesRows", "Forgets"]),
    "almsweep.models": ("Patches", ["Miscounts"], ["DrawsAnyhow", "OwnHead", "Mixes"]),
    "almsweep.augmentations": ("Darken", [], ["Overwrites", "TurnsToFloat", "DrawsGlobally"]),
    "almsweep.sources": ("Stripes", ["OtherShape"], ["ManyOfOneId", "Unsettled"]),
}


@pytest.fixture
def types(tmp_path: Path) -> Iterator[Any]:
    """The module of broken members, each of which an entry point names."""
    folder = install(tmp_path / "installed")
    config, groups = CONFIG, {}
    for group, (base, themselves, by_parts) in BROKEN.items():
        config += "".join(TYPE.format(name=name, base=base) for name in by_parts)
        groups[group] = {name: f"broken_config:{name}" for name in themselves + by_parts}
    (folder / "broken_config.py").write_text(config)
    (folder / "broken_parts.py").write_text(PARTS)
    write_distribution(folder, "broken", "1", groups)
    with on_path(folder):
        yield importlib.import_module("broken_config")


def check_stripes(config: Any) -> None:
    check_source(config, (0, 1))


@pytest.mark.parametrize(
    ("check", "kind", "message"),
    [
        (check_loss, "AsksTheDevice", "expected a value that asks the device for nothing"),
        (check_loss, "Overflows", "expected a finite value at logits of up to"),
        (check_loss, "GivesRows", "expected a tensor without dimensions"),
        (check_loss, "TakesARow", "expected a row of its own in tables, not 'BCE'"),
        (check_loss, "Forgets", "expected an implementation that can be imported"),
        (check_model, "Miscounts", "expected a weight_count of .*, given 7"),
        (check_model, "DrawsAnyhow", "expected random numbers from the given generator alone"),
        (check_model, "OwnHead", "expected outputs in float32 in bf16, by its head"),
        (check_model, "Mixes", "expected outputs that depend on their own image alone"),
        (check_augmentation, "Overwrites", "expected the given images to be left alone"),
        (check_augmentation, "TurnsToFloat", "expected uint8, given torch.float32"),
        (check_augmentation, "DrawsGlobally", "expected random numbers from the given generator alone"),
        (check_stripes, "OtherShape", r"expected images of the shape \(3, 8\)"),
        (check_stripes, "ManyOfOneId", "expected every id once"),
        (check_stripes, "Unsettled", "expected the same train images every time"),
    ],
)
def test_what_is_broken_is_said(types: Any, check: Callable[[Any], None], kind: str, message: str) -> None:
    with pytest.raises(ContractBroken, match=message):
        check(getattr(types, kind)())


def test_a_member_that_nobody_registers_is_found() -> None:
    class Unregistered(Bce):
        """In no registry."""

    missing = "expected to be registered, or an entry point of almsweep.losses"
    with pytest.raises(ContractBroken, match=missing):
        check_loss(Unregistered())
