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

class AsksTheDevice(Squared):
    implementation: ClassVar[str] = "broken_parts:asks_the_device"
    family: ClassVar[str] = "A"
    name: str = "asks"

class Overflows(Squared):
    implementation: ClassVar[str] = "broken_parts:overflows"
    family: ClassVar[str] = "O"
    name: str = "overflows"

class GivesRows(Squared):
    implementation: ClassVar[str] = "broken_parts:gives_rows"
    family: ClassVar[str] = "R"
    name: str = "rows"

class TakesARow(Squared):
    family: ClassVar[str] = "BCE"
    name: str = "taken"

class Forgets(Squared):
    implementation: ClassVar[str] = "broken_parts:nothing_of_this_name"
    family: ClassVar[str] = "F"
    name: str = "forgets"

class Miscounts(Patches):
    name: str = "miscounts"

    def weight_count(self, **sizes):
        return 7

class DrawsAnyhow(Patches):
    implementation: ClassVar[str] = "broken_parts:draws_anyhow"
    name: str = "anyhow"

class OwnHead(Patches):
    implementation: ClassVar[str] = "broken_parts:own_head"
    name: str = "own_head"

class Mixes(Patches):
    implementation: ClassVar[str] = "broken_parts:mixes"
    name: str = "mixes"

class Overwrites(Darken):
    implementation: ClassVar[str] = "broken_parts:Overwrites"
    name: str = "overwrites"

class TurnsToFloat(Darken):
    implementation: ClassVar[str] = "broken_parts:TurnsToFloat"
    name: str = "floats"

class DrawsGlobally(Darken):
    implementation: ClassVar[str] = "broken_parts:DrawsGlobally"
    name: str = "global"

class OtherShape(Stripes):
    name: str = "other_shape"

    @property
    def image_shape(self):
        return 3, self.size

class ManyOfOneId(Stripes):
    implementation: ClassVar[str] = "broken_parts:ManyOfOneId"
    name: str = "one_id"

class Unsettled(Stripes):
    implementation: ClassVar[str] = "broken_parts:Unsettled"
    name: str = "unsettled"
"""

PARTS = """
import numpy as np
import torch
from almsweep_example.torch_part import DarkenStep, StripesReader, patches
from torch import nn
from trainer.data.sources.images import Images, RawData

def asks_the_device(scores, targets, **parameters):
    return scores.mean() if scores.sum() > 0 else -scores.mean()

def overflows(scores, targets, **parameters):
    return torch.exp(scores).mean()

def gives_rows(scores, targets, **parameters):
    return scores * targets

class Draw(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.empty(1))
    def initialise(self, generator):
        self.shift.copy_(torch.rand(1))
    def forward(self, images):
        return images + self.shift

def draws_anyhow(config, *, channels, image_size, head):
    return nn.Sequential(Draw(), patches(config, channels=channels, image_size=image_size, head=head))

def own_head(config, *, channels, image_size, head):
    def linear(features):
        return nn.Linear(features, head(features).weight.shape[0], bias=hasattr(head(features), "bias"))
    return patches(config, channels=channels, image_size=image_size, head=linear)

class Centre(nn.Module):
    def forward(self, images):
        return images - images.mean(dim=0)

def mixes(config, *, channels, image_size, head):
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

LOSSES = {"asks": "AsksTheDevice", "overflows": "Overflows", "rows": "GivesRows", "taken": "TakesARow"}
LOSSES |= {"forgets": "Forgets"}
MODELS = {"miscounts": "Miscounts", "anyhow": "DrawsAnyhow", "own_head": "OwnHead", "mixes": "Mixes"}
AUGMENTATIONS = {"overwrites": "Overwrites", "floats": "TurnsToFloat", "global": "DrawsGlobally"}
SOURCES = {"other_shape": "OtherShape", "one_id": "ManyOfOneId", "unsettled": "Unsettled"}


@pytest.fixture
def types(tmp_path: Path) -> Iterator[Any]:
    """The module of broken members, each of which an entry point names."""
    folder = install(tmp_path / "installed")
    (folder / "broken_config.py").write_text(CONFIG)
    (folder / "broken_parts.py").write_text(PARTS)
    groups = {}
    for group, members in {
        "almsweep.losses": LOSSES,
        "almsweep.models": MODELS,
        "almsweep.augmentations": AUGMENTATIONS,
        "almsweep.sources": SOURCES,
    }.items():
        groups[group] = {name: f"broken_config:{kind}" for name, kind in members.items()}
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
