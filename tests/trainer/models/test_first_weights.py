"""The file that a network begins with: known by what it holds, found wherever it lies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from search_spaces.config import Bce, Binary, EfficientNetB0, ImageFolder, ResNet18, ResNet50, TrialConfig
from search_spaces.errors import DataError
from search_spaces.presets import preset
from tests.trainer.image_files import random_images, write_class_folders
from trainer.checkpoint import dump_replicates, restore_replicates
from trainer.compat import import_torchvision
from trainer.data.task import load_task
from trainer.fit import fit
from trainer.models.build import build_model
from trainer.models.first_weights import check_first_weights, find_first_weights, take_first_weights
from trainer.models.staged import StagedNetwork
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.setup import TrialSetup


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as torchvision publishes one; its numbers are other ones."""
    path = tmp_path_factory.mktemp("published") / "some.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(import_torchvision("models").resnet18(weights=None).state_dict(), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def data_dir(published: Path, tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "my resnet.pth").write_bytes(published.read_bytes())
    return tmp_path


def resnet18(config: ResNet18, seed: int) -> StagedNetwork:
    generator = torch.Generator().manual_seed(seed)
    made = build_model(config, channels=1, outputs=1, image_size=32, generator=generator)
    assert isinstance(made, StagedNetwork)
    return made


def test_a_file_is_found_by_its_hash_under_any_name(data_dir: Path, published: Path) -> None:
    config = ResNet18(weights=sha256(published))
    first, second = resnet18(config, 1), resnet18(config, 2)
    for one in (first, second):
        take_first_weights(one, config, data_dir)
    head = f"network.{first.output}.weight"
    for name, value in first.state_dict().items():
        if name == head:
            assert not torch.equal(value, second.state_dict()[name])
        elif not name.startswith("network.fc"):
            assert torch.equal(value, second.state_dict()[name])
    stem = torch.load(published, weights_only=True)["conv1.weight"].sum(dim=1, keepdim=True)
    assert torch.equal(first.state_dict()["network.conv1.weight"], stem)
    (data_dir / "weights" / "my resnet.pth").rename(data_dir / "weights" / "moved.pth")
    assert find_first_weights(config, data_dir) == data_dir / "weights" / "moved.pth"


def test_a_missing_file_is_told_with_what_is_there(data_dir: Path, published: Path) -> None:
    with pytest.raises(DataError) as raised:
        check_first_weights([ResNet18(), ResNet18(weights="a" * 64)], data_dir)
    assert str(raised.value) == (
        f"model 'resnet18': expected a file (.pth, .pt) of SHA-256 {'a' * 64} in {data_dir / 'weights'}, "
        f"found 1 file: my resnet.pth {sha256(published)}"
    )
    with pytest.raises(DataError, match="given no --data-dir"):
        check_first_weights([ResNet18(weights="a" * 64)], None)


def test_a_damaged_file_and_another_networks_are_one_line(data_dir: Path, published: Path) -> None:
    path = data_dir / "weights" / "broken.pth"
    path.write_bytes(b"no weights")
    config = ResNet18(weights=sha256(path))
    with pytest.raises(
        DataError, match=r"broken\.pth: expected a state dict of torchvision's resnet18, found"
    ):
        take_first_weights(resnet18(config, 1), config, data_dir)
    other = ResNet50(weights=sha256(published))
    made = build_model(other, channels=1, outputs=1, image_size=32, generator=torch.Generator())
    with pytest.raises(DataError, match="expected a state dict of torchvision's resnet50, found one without"):
        take_first_weights(made, other, data_dir)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of torch's hub, and a publisher that cannot be reached."""
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(
        "search_spaces.config.models.torchvision.PUBLISHER", (tmp_path / "shelf").as_uri() + "/"
    )
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def known(published: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The published file's name, with its hash in it as torchvision's have."""
    name = f"resnet18-{sha256(published)[:8]}.pth"
    monkeypatch.setattr(ResNet18, "published", {"IMAGENET1K_V1": name})
    return name


def test_published_weights_are_taken_from_torchs_hub(hub: Path, known: str, published: Path) -> None:
    config = ResNet18(weights="IMAGENET1K_V1")
    with pytest.raises(
        DataError, match=f"expected its published weights {known} in .*--download fetches them"
    ):
        find_first_weights(config, None)
    hub.mkdir(parents=True)
    (hub / known).write_bytes(published.read_bytes())
    assert find_first_weights(config, None) == hub / known
    (hub / known).write_bytes(b"another file of that name")
    with pytest.raises(DataError, match="found none of that hash"):
        find_first_weights(config, None)


def test_published_weights_are_downloaded_where_asked_for(hub: Path, known: str, published: Path) -> None:
    config = ResNet18(weights="IMAGENET1K_V1")
    with pytest.raises(DataError) as raised:
        check_first_weights([config], None, download=True)
    assert "could not download file://" in str(raised.value)
    assert "\n" not in str(raised.value)
    shelf = hub.parent.parent / "shelf"
    shelf.mkdir()
    (shelf / known).write_bytes(published.read_bytes())
    assert find_first_weights(config, None, download=True) == hub / known
    assert (hub / known).read_bytes() == published.read_bytes()
    (hub / known).unlink()
    (shelf / known).write_bytes(b"damaged on its way")
    with pytest.raises(DataError, match=r"could not download .*invalid hash value"):
        check_first_weights([config], None, download=True)
    assert list(hub.iterdir()) == []


def trial(model: Any, **changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 2, "seeds": (1,)}
    return TrialConfig(**{**fields, "model": model, **changes})


def test_what_a_network_begins_with_is_its_identity_and_where_it_lies_is_not() -> None:
    drawn, one, other = (trial(ResNet18(weights=weights)) for weights in (None, "a" * 64, "b" * 64))
    assert len({drawn.trial_id, one.trial_id, other.trial_id}) == 3
    model = json.loads(one.identity())["model"]
    assert model == {"name": "resnet18", "weights": "a" * 64, "frozen_stages": 0}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "resnet18.pth"}, "expected IMAGENET1K_V1, or the SHA-256 of a file in DATA-DIR/weights"),
        ({"weights": "IMAGENET1K_V2"}, "given 'IMAGENET1K_V2'"),
        ({"weights": "A" * 64}, "64 hexadecimal digits in lower case"),
        ({"frozen_stages": 1}, "expected weights where stages are frozen, given none"),
        (
            {"weights": "a" * 64, "frozen_stages": 6},
            "expected frozen_stages of at most 5, its stages, given 6",
        ),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ResNet18(**fields)


def test_replicates_begin_with_the_file_and_go_on_bit_for_bit(tmp_path: Path) -> None:
    """Noise and frozen stages included: two seeds together, interrupted after an epoch, and one alone."""
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / "b0.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        torch.save(import_torchvision("models").efficientnet_b0(weights=None).state_dict(), path)
    write_class_folders(
        tmp_path / "scans", {"ill": random_images(12, (1, 28, 28)), "well": random_images(24, (1, 28, 28), 1)}
    )
    wanted = TrialConfig(
        data=Binary(
            source=ImageFolder(folder="scans", size=28, channels=1),
            negative=("well",),
            positive=("ill",),
            validation_per_class=4,
            test_per_class=4,
        ),
        model=EfficientNetB0(weights=sha256(path), frozen_stages=4),
        loss=Bce(),
        epochs=2,
        batch_size=8,
        seeds=(1, 2),
    )
    setup = TrialSetup(
        wanted, load_task(wanted.data, tmp_path), torch.device("cpu"), TrialOptions(data_dir=tmp_path)
    )
    whole, alone, begun = ([Replicate(setup, seed) for seed in seeds] for seeds in ((1, 2), (2,), (1, 2)))
    stem = torch.load(path, weights_only=True)["features.0.0.weight"].sum(dim=1, keepdim=True)
    assert all(torch.equal(one.model.state_dict()["network.features.0.0.weight"], stem) for one in whole)
    for replicates in (whole, alone):
        for _ in fit(replicates):
            pass
    next(iter(fit(begun)))
    names = {"trial_id": wanted.trial_id, "data_sha256": setup.data.sha256}
    saved = dump_replicates(begun, **names)
    going_on = [Replicate(setup, seed) for seed in (1, 2)]
    assert restore_replicates(saved, going_on, **names) == [1, 2]
    for _ in fit(going_on):
        pass
    for one, other in [*zip(whole, going_on, strict=True), (whole[1], alone[0])]:
        assert one.epoch == other.epoch == 2
        for name, value in one.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[name]), name
    assert torch.equal(whole[0].model.state_dict()["network.features.0.0.weight"], stem)
    assert whole[0].model.state_dict()["network.classifier.0.calls"].item() > 0
    np.testing.assert_array_equal(whole[0].score_test(), going_on[0].score_test())
