"""Torchvision's networks here: the same function of the same weights, with other ends, frozen or not."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn

from search_spaces.config import (
    ConvNeXtTiny,
    DenseNet121,
    EfficientNetB0,
    Head,
    ResNet18,
    ResNet50,
    TorchvisionModel,
)
from search_spaces.errors import DataError
from trainer.compat import import_torchvision
from trainer.models.build import build_model, model_on_meta
from trainer.models.staged import StagedNetwork

Kind: TypeAlias = type[ResNet18 | ResNet50 | DenseNet121 | EfficientNetB0 | ConvNeXtTiny]
KINDS: list[Kind] = [ResNet18, ResNet50, DenseNet121, EfficientNetB0, ConvNeXtTiny]
HASH = "0" * 64


def network(config: TorchvisionModel, **sizes: Any) -> StagedNetwork:
    generator = torch.Generator().manual_seed(1)
    sizes = {"channels": 3, "outputs": 2, "image_size": 32, **sizes}
    made = build_model(config, **sizes, generator=generator)
    assert isinstance(made, StagedNetwork)
    return made


def torchvisions(name: str) -> nn.Module:
    """Torchvision's own network with weights that depend on nothing global."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made: nn.Module = getattr(import_torchvision("models"), name)(weights=None)
    return made.eval()


def images(channels: int = 3) -> Tensor:
    return torch.rand(2, channels, 32, 32, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name())
def test_with_torchvisions_weights_it_is_torchvisions_network(kind: Kind) -> None:
    theirs = torchvisions(kind.type_name())
    ours = network(kind(weights=HASH))
    ours.take_weights(theirs.state_dict())
    ours.network.set_submodule(ours.output, theirs.get_submodule(ours.output))
    ours.eval()
    with torch.no_grad():
        assert torch.equal(ours(images()), theirs(images()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name())
def test_a_grey_image_is_read_as_three_equal_colours(kind: Kind) -> None:
    colour, grey = network(kind(weights=HASH)), network(kind(weights=HASH), channels=1)
    for one in (colour, grey):
        one.take_weights(torchvisions(kind.type_name()).state_dict())
    grey.network.set_submodule(grey.output, colour.network.get_submodule(colour.output))
    with torch.no_grad():
        in_grey = grey.eval()(images(1))
        in_colour = colour.eval()(images(1).expand(-1, 3, -1, -1))
    assert torch.allclose(in_grey, in_colour, atol=1e-4 * max(1.0, in_colour.abs().max().item()))


def test_densenets_published_names_of_before_are_understood() -> None:
    theirs = torchvisions("densenet121").state_dict()
    before = {}
    for name, value in theirs.items():
        if name.endswith("num_batches_tracked"):
            continue
        for part in ("norm", "conv"):
            for number in (1, 2):
                name = name.replace(f".{part}{number}.", f".{part}.{number}.")
        before[name] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in before
    one, other = network(DenseNet121(weights=HASH)), network(DenseNet121(weights=HASH))
    one.take_weights(theirs)
    other.take_weights(before)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_another_networks_weights_are_refused() -> None:
    with pytest.raises(DataError, match=r"found one without layer1\.0\.bn3\.bias and \d+ more"):
        network(ResNet50(weights=HASH)).take_weights(torchvisions("resnet18").state_dict())
    state = torchvisions("resnet18").state_dict()
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    with pytest.raises(DataError, match=r"found conv1\.weight of shape \[64, 3, 3, 3\], expected \[64, 3"):
        network(ResNet18(weights=HASH)).take_weights(state)


@pytest.mark.parametrize("kind", [ResNet18, EfficientNetB0], ids=lambda kind: kind.type_name())
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_frozen_stages_stay_as_they_are(kind: Kind, share: float) -> None:
    """Their statistics too: a batch norm in training mode would change them without any gradient."""
    stages = int(share * kind.stages)
    made = network(kind(weights=HASH, frozen_stages=stages))
    made.take_weights(torchvisions(kind.type_name()).state_dict())
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made.train()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1, weight_decay=0.1)
    made(images()).square().sum().backward()
    optimizer.step()
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    frozen = {name for name, parameter in made.named_parameters() if not parameter.requires_grad}
    assert frozen
    assert not changed & frozen
    first = "network.bn1" if kind is ResNet18 else "network.features.0.1"
    assert f"{first}.running_mean" not in changed
    assert any(name.startswith(f"network.{made.output}") for name in changed)
    moving = {name for name in changed if "running_mean" in name}
    assert bool(moving) == (share < 1)


def test_all_but_the_output_layer_can_be_frozen() -> None:
    for kind in KINDS:
        made = model_on_meta(
            kind(weights=HASH, frozen_stages=kind.stages), channels=3, outputs=2, image_size=32
        )
        trained = {name.split(".")[1] for name, p in made.named_parameters() if p.requires_grad}
        assert trained <= {"fc", "classifier"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name())
@pytest.mark.parametrize(("channels", "outputs", "head"), [(1, 1, "linear"), (3, 20, "cosine")])
def test_weights_and_maps_are_as_many_as_it_says(kind: Kind, channels: int, outputs: int, head: Head) -> None:
    for size in (32, 37, 64, 224):
        made = model_on_meta(kind(), channels=channels, outputs=outputs, image_size=size, head=head).eval()
        largest = [0]

        def measure(module: nn.Module, given: object, result: Tensor, largest: list[int] = largest) -> None:
            largest[0] = max(largest[0], result.numel())

        for module in made.modules():
            module.register_forward_hook(measure)
        made(torch.empty(1, channels, size, size, device="meta"))
        assert kind().map_size(size) == largest[0]
        said = kind().weight_count(channels=channels, image_size=size, outputs=outputs, head=head)
        assert said == sum(parameter.numel() for parameter in made.parameters())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name())
def test_drawn_weights_spread_as_torchvisions(kind: Kind) -> None:
    theirs = torchvisions(kind.type_name())
    ours = network(kind()).network
    convolutions = [name for name, one in theirs.named_modules() if isinstance(one, nn.Conv2d)]
    for name in convolutions:
        wanted = theirs.get_submodule(name).weight
        drawn = ours.get_submodule(name).weight
        tolerance = 6 / wanted.numel() ** 0.5
        assert drawn.std().item() == pytest.approx(wanted.std().item(), rel=tolerance), name
