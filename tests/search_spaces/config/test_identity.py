"""A field that is added later moves no id while it stands at its default, however deep it lies."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from hypothesis import given
from pydantic import Field

from search_spaces.config import Frozen, TrialConfig
from search_spaces.config.identity import ADDED_LATER, NOT_IDENTITY, is_added_later, is_no_identity
from search_spaces.presets import preset
from search_spaces.problem import models_in
from tests.search_spaces.strategies import trials

# The fields without mark of every configuration type: those of schema 2. A type that is new gets a row here;
# a field that is new in one of these types gets the mark ADDED_LATER instead.
SCHEMA_2 = {
    "Affine": {"name", "degrees", "translate", "scale", "shear", "probability"},
    "AsymmetricFocal": {"name", "gamma"},
    "AsymmetricMargin": {"name", "margin"},
    "Adam": {"name", "learning_rate", "weight_decay", "schedule"},
    "AsymmetricLoss": {"name", "gamma_positive", "gamma_negative", "margin"},
    "AucMargin": {"name", "margin"},
    "AugmentationConfig": {"crop_padding", "horizontal_flip"},
    "Bce": {"name"},
    "Cifar10": {"name"},
    "Cifar10Mosaic": {"name", "classes", "prevalences", "train", "validation", "test"},
    "Cifar100": {"name"},
    "ClassBalancedBce": {"name", "beta"},
    "ClassBalancedCrossEntropy": {"name", "beta"},
    "ColorJitter": {"name", "brightness", "contrast", "saturation", "hue", "probability"},
    "ConstraintConfig": {"penalty", "growth", "margin", "introduce_at", "growth_rule", "max_growth_steps"},
    "BothTermsFocal": {"name", "gamma", "weighting", "epsilon"},
    "Binary": {
        "source",
        "negative",
        "positive",
        "imbalance_ratio",
        "validation_per_class",
        "test_per_class",
        "train_share",
    },
    "ConvNeXtTiny": {"name", "weights", "frozen_stages", "stochastic_depth"},
    "CrossEntropy": {"name"},
    "CutMix": {"name", "alpha", "probability"},
    "DeferredLdam": {"name", "max_margin", "beta", "defer"},
    "DenseNet121": {"name", "weights", "frozen_stages"},
    "DigitMosaic": {"name", "classes", "prevalences", "train", "validation", "test"},
    "Digits": {"name"},
    "DistributionBalanced": {"name", "alpha", "beta", "center", "scale", "shift"},
    "EfficientNetB0": {"name", "weights", "frozen_stages", "dropout", "stochastic_depth"},
    "Focal": {"name", "gamma"},
    "Groups": set(),
    "ImageFolder": {"name", "folder", "size", "channels"},
    "HorizontalFlip": {"name", "probability"},
    "Imbalance": {"profile", "factor"},
    "LabelSetSampler": {"resample", "share"},
    "Ldam": {"name", "max_margin", "scale"},
    "LogitAdjusted": {"name", "tau"},
    "Mbauc": {"name"},
    "Manifest": {
        "name",
        "file",
        "folder",
        "image",
        "label",
        "labels",
        "separator",
        "split",
        "size",
        "channels",
        "scaling",
        "bad_files",
    },
    "MedMnist": {"name", "subset"},
    "Mixup": {"name", "alpha", "probability"},
    "MultiClass": {
        "task",
        "source",
        "classes",
        "critical",
        "imbalance",
        "steering",
        "validation_per_class",
        "test_per_class",
        "train_share",
    },
    "MultiLabel": {
        "task",
        "source",
        "classes",
        "critical",
        "imbalance_ratio",
        "prevalences",
        "prevalences_in",
        "validation_share",
        "test_share",
        "train_share",
    },
    "MultiLabelBce": {"name"},
    "MultiLabelFocal": {"name", "gamma"},
    "MultiLabelWeightedBce": {"name", "weighting"},
    "MultiLabelWeightedFocal": {"name", "gamma", "weighting"},
    "Percentiles": {"percentiles"},
    "PartialAuc": {"name", "temperature"},
    "Plugin": {"package"},
    "PowerSampler": {"exponent"},
    "RandomCrop": {"name", "padding"},
    "RandomErasing": {"name", "area", "aspect", "probability"},
    "ResNet10": {"name", "width", "initialization"},
    "ResNet18": {"name", "weights", "frozen_stages"},
    "ResNet32": {"name", "width", "initialization"},
    "ResNet50": {"name", "weights", "frozen_stages"},
    "Rotation": {"name", "degrees", "probability"},
    "Sgd": {"name", "learning_rate", "momentum", "weight_decay", "schedule"},
    "SmallCnn": {"name", "width", "initialization"},
    "SymmetricFocal": {"name", "gamma"},
    "SymmetricMargin": {"name", "margin"},
    "TrialConfig": {
        "data",
        "model",
        "loss",
        "constraint",
        "sampler",
        "augmentation",
        "optimizer",
        "epochs",
        "patience",
        "scored",
        "batch_size",
        "precision",
        "seeds",
    },
    "VectorScaling": {"name", "gamma", "tau"},
    "WeightedBce": {"name", "weight_factor"},
    "WeightedCrossEntropy": {"name", "exponent"},
}


def configuration_types(root: type[Frozen]) -> dict[str, type[Frozen]]:
    """A configuration type and all that its fields may hold, by name."""
    found = {root.__name__: root}
    for field in root.model_fields.values():
        for nested in models_in(field.annotation):
            assert issubclass(nested, Frozen)
            found.update(configuration_types(nested))
    return found


def test_fields_of_schema_2() -> None:
    """When this fails, mark the new field with ADDED_LATER: all ids of its type would move otherwise."""
    unmarked: dict[str, set[str]] = {}
    for name, kind in configuration_types(TrialConfig).items():
        unmarked[name] = set()
        for field, facts in kind.model_fields.items():
            if not is_added_later(facts) and not is_no_identity(facts):
                unmarked[name].add(field)
    assert unmarked == SCHEMA_2


@given(trials)
def test_the_identity_is_what_is_stored_and_the_schema(config: TrialConfig) -> None:
    stored = config.model_dump(mode="json", exclude={"seeds"})
    assert json.loads(config.identity()) == {"schema": 2, **stored}


class Point(Frozen):
    """A part as schema 2 had it."""

    name: Literal["point"] = "point"
    x: int


class LaterPoint(Frozen):
    """The same part, with fields that were added later."""

    name: Literal["point"] = "point"
    x: int
    y: Annotated[int, Field(ge=0), ADDED_LATER] = 0
    tags: Annotated[tuple[str, ...], ADDED_LATER] = ()


class Line(Frozen):
    """Another part."""

    name: Literal["line"] = "line"


class Drawing(Frozen):
    """A whole as schema 2 had it."""

    one: Point
    either: Annotated[Point | Line, Field(discriminator="name")]
    many: tuple[Point, ...] = ()
    maybe: Point | None = None


class LaterDrawing(Frozen):
    """The same whole with later parts, and a later part of its own."""

    one: LaterPoint
    either: Annotated[LaterPoint | Line, Field(discriminator="name")]
    many: tuple[LaterPoint, ...] = ()
    maybe: LaterPoint | None = None
    frame: Annotated[LaterPoint, ADDED_LATER] = LaterPoint(x=1)
    colours: Annotated[dict[str, LaterPoint], ADDED_LATER] = Field(default_factory=dict)


BEFORE: dict[str, object] = {
    "one": {"x": 1},
    "either": {"name": "point", "x": 2},
    "many": ({"x": 3}, {"x": 4}),
    "maybe": {"x": 5},
}


def test_later_fields_at_their_defaults_leave_no_trace() -> None:
    earlier = Drawing.model_validate(BEFORE)
    later = LaterDrawing.model_validate(BEFORE)
    said = {**BEFORE, "one": {"x": 1, "y": 0, "tags": ()}, "frame": {"x": 1}, "colours": {}}
    assert later.model_dump_json() == earlier.model_dump_json()
    assert LaterDrawing.model_validate(said).model_dump_json() == earlier.model_dump_json()
    assert later.model_dump() == earlier.model_dump()


@pytest.mark.parametrize(
    "change",
    [
        {"one": {"x": 1, "y": 1}},
        {"one": {"x": 1, "tags": ("a",)}},
        {"either": {"name": "point", "x": 2, "y": 1}},
        {"many": ({"x": 3}, {"x": 4, "y": 1})},
        {"maybe": {"x": 5, "y": 1}},
        {"frame": {"x": 2}},
        {"frame": {"x": 1, "y": 1}},
        {"colours": {"red": {"x": 1}}},
    ],
)
def test_later_fields_elsewhere_count(change: dict[str, object]) -> None:
    changed = LaterDrawing.model_validate({**BEFORE, **change})
    assert changed.model_dump_json() != LaterDrawing.model_validate(BEFORE).model_dump_json()
    assert LaterDrawing.model_validate_json(changed.model_dump_json()) == changed


def test_a_later_field_of_a_trial_moves_no_id_at_its_default() -> None:
    class LaterTrial(TrialConfig):
        """A trial with a field that it does not have yet."""

        warm_up: Annotated[int, Field(ge=0), ADDED_LATER] = 0

    fields = {**preset("cifar10", 100), "loss": {"name": "bce"}}
    now = TrialConfig.model_validate(fields)
    assert LaterTrial.model_validate(fields).trial_id == now.trial_id
    assert LaterTrial.model_validate({**fields, "warm_up": 3}).trial_id != now.trial_id


class Named(Frozen):
    """A part with a name that says nothing about a result."""

    x: int
    title: Annotated[str, NOT_IDENTITY] = ""


class Gallery(Frozen):
    """A whole that holds such parts."""

    one: Named
    many: tuple[Named, ...] = ()


def test_what_is_no_identity_stands_in_no_dump_at_any_depth() -> None:
    given = {"one": {"x": 1, "title": "a"}, "many": ({"x": 2, "title": "b"},)}
    gallery = Gallery.model_validate(given)
    assert [gallery.one.title, gallery.many[0].title] == ["a", "b"]
    assert gallery.model_dump() == {"one": {"x": 1}, "many": ({"x": 2},)}
    assert gallery.model_dump_json() == '{"one":{"x":1},"many":[{"x":2}]}'


def test_what_is_no_identity_needs_a_default() -> None:
    with pytest.raises(TypeError, match=r"Broken\.title: expected a default"):

        class Broken(Frozen):
            """A dump of it would not read back."""

            title: Annotated[str, NOT_IDENTITY]


def test_a_later_field_needs_a_default() -> None:
    with pytest.raises(TypeError, match=r"Broken\.depth: expected a default"):

        class Broken(Frozen):
            """A marked field at which nothing can be left out."""

            depth: Annotated[int, ADDED_LATER]


def test_a_type_without_one_spelling_in_json_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"Unordered\.tags: expected a type of one spelling in JSON, given a set"
    ):

        class Unordered(Frozen):
            """A set has no order."""

            tags: tuple[frozenset[str], ...] = ()
