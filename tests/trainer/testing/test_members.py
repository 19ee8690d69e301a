"""Every member of every kind keeps its contract, ours and those of the plug-in; so does every task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search_spaces.config import (
    AUGMENTATION_TYPES,
    LOSS_TYPES,
    MODEL_TYPES,
    SOURCE_TYPES,
    Affine,
    Augmentation,
    AugmentationConfig,
    Cifar10,
    Cifar10Mosaic,
    Cifar100,
    ColorJitter,
    ConstraintConfig,
    ConvNeXtTiny,
    CutMix,
    DenseNet121,
    DigitMosaic,
    Digits,
    EfficientNetB0,
    Focal,
    Groups,
    HorizontalFlip,
    ImageFolder,
    Loss,
    Manifest,
    MedMnist,
    Mixup,
    Model,
    Percentiles,
    RandomCrop,
    RandomErasing,
    ResNet10,
    ResNet18,
    ResNet32,
    ResNet50,
    Rotation,
    SmallCnn,
    Source,
    Task,
    VectorScaling,
)
from search_spaces.paper.named import LOSSES
from tests.plugins import install, on_path
from tests.trainer.image_files import random_images, write_class_folders, write_npz, write_parquet
from trainer.testing import check_augmentation, check_loss, check_model, check_source, check_step
from trainer.testing.common import example_tasks, example_trial

ONE_OF_EACH: dict[type[Loss], Loss] = {
    **{type(loss): loss for loss in reversed(LOSSES.values())},
    Focal: Focal(gamma=2),
    VectorScaling: VectorScaling(gamma=0.15, tau=1.25),
}
MODELS: list[Model] = [
    ResNet10(width=2),
    ResNet10(width=4, initialization="he_fan_out"),
    SmallCnn(width=2),
    SmallCnn(width=2, blocks=3),
    ResNet32(width=2),
]
# Of torchvision, in full size: their contract takes a minute each.
PUBLISHED: list[Model] = [
    ResNet18(),
    ResNet50(),
    DenseNet121(),
    EfficientNetB0(),
    EfficientNetB0(weights="IMAGENET1K_V1", frozen_stages=5),
    ConvNeXtTiny(),
]
AUGMENTATIONS: list[Augmentation] = [
    RandomCrop(padding=2),
    RandomCrop(padding=0),
    HorizontalFlip(),
    Rotation(),
    Affine(degrees=5, shear=3),
    ColorJitter(probability=1),
    RandomErasing(probability=1),
    Mixup(),
    CutMix(probability=0.5),
]
SOURCES: list[Source] = [
    Digits(),
    Cifar10(),
    Cifar100(),
    MedMnist(subset="some"),
    ImageFolder(folder="birds", size=8, channels=1),
    ImageFolder(folder="birds", size=8, scaling=Percentiles(percentiles=(1, 99))),
    ImageFolder(folder="birds", size=8, groups=Groups(pattern="^(..)")),
    ImageFolder(folder="flocks", size=8, groups=Groups(level=1)),
    Manifest(file="birds/birds.csv", label="kind", size=8),
    Manifest(file="birds/sets.parquet", size=8, channels=1, groups=Groups(column="flock")),
    Cifar10(groups=Groups(column="patient")),
    MedMnist(subset="some", groups=Groups(column="patient")),
    MedMnist(subset="several"),
    MedMnist(subset="several", groups=Groups(column="patient")),
    DigitMosaic(classes=(0, 1), prevalences=(0.2, 0.5), train=20, validation=5, test=5),
    Cifar10Mosaic(classes=(0, 1), prevalences=(0.2, 0.5), train=20, validation=5, test=5),
]


def one_of(loss: type[Loss]) -> Loss:
    """The first that the paper names, else one at its defaults."""
    return ONE_OF_EACH[loss] if loss in ONE_OF_EACH else loss.model_validate({})


@pytest.mark.parametrize("loss", list(LOSS_TYPES), ids=lambda loss: loss.type_name())
def test_losses(loss: type[Loss]) -> None:
    check_loss(one_of(loss))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_models(model: Model) -> None:
    check_model(model)


@pytest.mark.group(name="models")
@pytest.mark.parametrize("model", PUBLISHED, ids=str)
def test_models_of_torchvision(model: Model) -> None:
    check_model(model)


def test_steps_of_a_network_with_noise_and_frozen_stages() -> None:
    check_step(example_trial(model=EfficientNetB0(weights="IMAGENET1K_V1", frozen_stages=5)))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=str)
def test_augmentations(augmentation: Augmentation) -> None:
    check_augmentation(augmentation)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A few images of every source that needs files."""
    pixels, labels = random_images(24), np.arange(24) % 3
    for name, column in (("cifar10", "label"), ("cifar100", "fine_label")):
        for split in ("train", "test"):
            path = tmp_path / name / f"{split}.parquet"
            write_parquet(path, pixels, labels, label_column=column, more={"patient": labels // 2})
    labels = np.arange(12) % 2
    splits = {name: (random_images(12, (28, 28)), labels) for name in ("train", "val", "test")}
    patients = {f"{name}_patient": labels // 2 for name in splits}
    write_npz(tmp_path / "some.npz", splits, patients)
    several = {name: (pixels, np.eye(12, 3, dtype=np.uint8)) for name, (pixels, _) in splits.items()}
    write_npz(tmp_path / "several.npz", several, patients)
    write_class_folders(tmp_path / "birds", {"0": random_images(3), "1": random_images(4)})
    names = [f"{label}/{number:03d}.png" for label in (0, 1) for number in range(3)]
    rows = [f"{name},{name[0]}" for name in names]
    (tmp_path / "birds" / "birds.csv").write_text("\n".join(["image,kind", *rows]))
    sets = {"image": names, "0": [1, 0, 1, 0, 0, 1], "1": [0, 1, 1, 0, 1, 0], "flock": list("aabbcc")}
    pq.write_table(pa.table(sets), tmp_path / "birds" / "sets.parquet")
    for flock in ("north", "south"):
        write_class_folders(tmp_path / "flocks" / flock, {"0": random_images(2), "1": random_images(2)})
    return tmp_path


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_sources(source: Source, data_dir: Path) -> None:
    check_source(source, (0, 1), data_dir)


def test_none_is_forgotten() -> None:
    assert {type(model) for model in (*MODELS, *PUBLISHED)} == set(MODEL_TYPES)
    assert {type(source) for source in SOURCES} == set(SOURCE_TYPES)
    assert {type(augmentation) for augmentation in AUGMENTATIONS} == set(AUGMENTATION_TYPES)


@pytest.mark.parametrize("task", example_tasks(), ids=lambda task: task.kind)
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_steps_of_every_task_with_every_augmentation(task: Task, model: Model) -> None:
    loss = next(one_of(loss) for loss in LOSS_TYPES if task.kind in loss.tasks)
    constraints = [ConstraintConfig(penalty=0.1, comparison=comparison) for comparison in task.comparisons]
    parts = {"data": task, "loss": loss, "model": model}
    steps = AugmentationConfig(then=tuple(one for one in AUGMENTATIONS if not one.mixes))
    for constraint in (None, *constraints):
        check_step(example_trial(**parts, augmentation=steps, constraint=constraint))


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    """The example plug-in is installed."""
    with on_path(install(tmp_path / "installed")):
        yield


@pytest.mark.usefixtures("plugin")
def test_those_of_a_plug_in() -> None:
    (loss,), (model,) = LOSS_TYPES.plugins(), MODEL_TYPES.plugins()
    (source,), (augmentation,) = SOURCE_TYPES.plugins(), AUGMENTATION_TYPES.plugins()
    check_loss(loss.model_validate({}))
    check_model(model.model_validate({}))
    check_source(source.model_validate({}), (0, 1))
    check_augmentation(augmentation.model_validate({}))
