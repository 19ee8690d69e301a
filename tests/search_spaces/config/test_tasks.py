"""What a task says of itself, how its kind is told, and which parts fit it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.config import (
    Bce,
    Binary,
    ConstraintConfig,
    CrossEntropy,
    Digits,
    ImageFolder,
    Imbalance,
    MultiClass,
    Targets,
    Task,
    TrialConfig,
)
from search_spaces.errors import SpaceError
from search_spaces.labels import BlockLabels, block_label, trial_label
from search_spaces.space import SearchSpace

BINARY: dict[str, Any] = {"source": {"name": "digits"}, "negative": (1,), "positive": (8,)}
SEVERAL: dict[str, Any] = {
    "task": "multiclass",
    "source": {"name": "digits"},
    "classes": (0, 1, 2),
    "critical": (2,),
}


def test_the_kind_is_binary_where_nothing_is_said() -> None:
    assert isinstance(TrialConfig(data=BINARY, loss=Bce()).data, Binary)
    several = TrialConfig(data=SEVERAL, loss=CrossEntropy())
    assert isinstance(several.data, MultiClass)
    again = TrialConfig.model_validate_json(several.model_dump_json())
    assert again == several
    assert again.trial_id == several.trial_id


@pytest.mark.parametrize("data", [{"dataset": "digits-longtail"}, {"data": SEVERAL}])
def test_a_ratio_is_the_long_tails_factor(data: dict[str, Any]) -> None:
    (short,) = SearchSpace.of("s", [{**data, "loss": "cross_entropy", "ratio": 10}]).trials
    (long,) = SearchSpace.of(
        "s", [{**data, "loss": "cross_entropy", "data.imbalance": {"factor": 10}}]
    ).trials
    assert short == long
    assert short.data.ratio == 10


def test_a_space_may_say_that_a_task_is_binary() -> None:
    said = SearchSpace.of("s", [{"data": {"task": "binary", **BINARY}, "loss": "baseline_BCE"}])
    unsaid = SearchSpace.of("s", [{"data": BINARY, "loss": "baseline_BCE"}])
    assert said.trials == unsaid.trials


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data": {**BINARY, "task": "ranking"}},
            "data.task: expected one of binary, multiclass, multi_label, given",
        ),
        (
            {"data": {**BINARY, "task": {"a": 1}}},
            "data.task: expected one of binary, multiclass, multi_label, given",
        ),
        ({"data": {**SEVERAL, "critical": [5]}}, "expected critical classes among"),
        ({"data": {**SEVERAL, "classes": [0, 0, 2]}}, "data.classes: expected every class once"),
        ({"data": {**SEVERAL, "classes": [0, 1, "1", 2]}}, "data.classes: expected every class once"),
        ({"data": SEVERAL}, "loss: expected one for multiclass tasks, given bce (for binary)"),
        (
            {"data": BINARY, "loss": "cross_entropy"},
            "loss: expected one for binary tasks, given cross_en",
        ),
        (
            {"data": BINARY, "constraint": "ALM_14_beg", "constraint.comparison": "pairwise"},
            "constraint.comparison: expected one_vs_rest, given pairwise",
        ),
        ({"data": {**SEVERAL, "imbalance": {"factor": 0.5}}}, "data.imbalance.factor: expected a number of"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as error:
        SearchSpace.of("s", [{"loss": "baseline_BCE", **settings}])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_metric_has_its_target_in_per_cent_in_its_name() -> None:
    task, rates = Binary(**{**BINARY, "source": Digits()}), Targets(tpr=(0.995, 0.9), fpr=(0.05,))
    assert [metric.name for metric in task.metrics(rates)] == [
        "auroc",
        "fpr_at_tpr_99.5",
        "fpr_at_tpr_90",
        "tpr_at_fpr_5",
        "average_precision",
        "balanced_accuracy",
        "calibration_error",
        "partial_auc_tpr_90",
        "partial_auc_fpr_30",
        "two_way_partial_auc",
    ]


@pytest.mark.parametrize("rates", [{"tpr": (0.98, 0.98)}, {"tpr": (1.0,)}, {"fpr": (0.0,)}])
def test_impossible_targets_are_errors(rates: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Targets(**rates)


def test_the_steering_metric_is_a_headline_of_which_more_is_better() -> None:
    for task in (Binary(**{**BINARY, "source": Digits()}), MultiClass(**{**SEVERAL, "source": Digits()})):
        (steers,) = [metric for metric in task.metrics(Targets()) if metric.name == task.steers]
        assert (steers.better, steers.role) == ("higher", "headline")


def test_labels_tell_tails_and_comparisons_apart() -> None:
    task = MultiClass(**{**SEVERAL, "source": Digits(), "imbalance": Imbalance(factor=10.0)})
    assert block_label(task).startswith("digits-longtail exponential 1:10 ")
    assert block_label(task.with_ratio(None)).startswith("digits-longtail all data ")
    assert task.with_ratio(20.0).ratio == 20
    labels = set()
    for comparison in ("one_vs_rest", "pairwise"):
        constraint = ConstraintConfig(penalty=1e-4, comparison=comparison)
        labels.add(trial_label(TrialConfig(data=task, loss=CrossEntropy(), constraint=constraint)))
    assert len(labels) == 2


LABELS: dict[str, Any] = {
    "task": "multi_label",
    "source": {"name": "medmnist", "subset": "chestmnist"},
    "classes": (0, 1, 13),
    "critical": (13,),
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": {"name": "digits"}}, "whose images may have several labels, given digits"),
        ({"critical": [5]}, "expected critical labels among [0, 1, 13], given [5]"),
        ({"classes": [0, 13, 13]}, "expected every label once"),
        ({"prevalences": [0.1]}, "expected prevalences for each of 3 labels, given 1"),
        ({"prevalences_in": "training"}, "expected prevalences with prevalences_in training, given none"),
        ({"prevalences": [1, None, None]}, "data.prevalences[0]"),
        ({"validation_per_class": 5}, "data.validation_per_class"),
        ({"sampler": "class_balanced"}, "sampler: expected one for multi_label tasks"),
        ({"loss": "baseline_BCE"}, "loss: expected one for multi_label tasks, given bce (for binary)"),
    ],
)
def test_label_sets_that_do_not_fit_are_one_clear_line(changed: dict[str, Any], message: str) -> None:
    trial = {key: changed.pop(key) for key in ("sampler", "loss") if key in changed}
    with pytest.raises(SpaceError) as error:
        SearchSpace.of("s", [{"data": {**LABELS, **changed}, "loss": "ml_bce", **trial}])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_of_a_set_may_be_named() -> None:
    named = {**LABELS, "classes": ["rest", "hernia"], "critical": ["Hernia"]}
    (trial,) = SearchSpace.of("s", [{"data": named, "loss": "ml_bce", "ratio": 9}]).trials
    assert trial.data.labels == tuple(range(14))
    assert trial.data.columns("one_vs_rest") == ("13",)
    assert trial.data.kept_shares("training") == {13: 0.1}
    assert trial.data.whole().kept_shares("training") == {}


FOLDER: dict[str, Any] = {"name": "folder", "folder": "scans"}


@pytest.mark.parametrize("kind", [BINARY, SEVERAL], ids=["binary", "multiclass"])
def test_a_split_is_drawn_by_number_or_by_share(kind: dict[str, Any]) -> None:
    def task(**fields: Any) -> Task:
        loss = CrossEntropy() if "classes" in kind else Bce()
        return TrialConfig(data={**kind, **fields}, loss=loss).data

    assert task().drawn("test") is None
    assert task(test_per_class=5).drawn("test") == ("test_per_class", 5, False)
    shared = task(test_share=0.2, validation_share=0.25)
    assert shared.drawn("test") == ("test_share", 0.2, True)
    assert shared.drawn("validation") == ("validation_share", 0.25, True)
    for split, counts in (("test", (20, 1, 2)), ("validation", (25, 1, 2))):
        drawn = shared.drawn(split)
        assert drawn is not None
        assert tuple(map(drawn.of_class, (100, 4, 9))) == counts
    assert shared.validates
    assert "share" not in task().model_dump_json().replace("train_share", "")
    for wrong, message in (
        ({"test_per_class": 5, "test_share": 0.2}, "expected test_per_class or test_share, given both"),
        (
            {"test_share": 0.5, "validation_share": 0.5},
            "expected less than 1 for validation_share and test_share",
        ),
        ({"test_share": 1}, "less than 1"),
        ({"validation_share": 0}, "greater than 0"),
    ):
        with pytest.raises(ValidationError, match=message):
            task(**wrong)


def test_whole_groups_are_drawn_by_share_alone() -> None:
    source = {**FOLDER, "groups": {"level": 1}}
    for name in ("validation", "test"):
        with pytest.raises(
            ValidationError, match=f"{name}_per_class: expected {name}_share beside source.groups"
        ):
            TrialConfig(data={**BINARY, "source": source, f"{name}_per_class": 5}, loss=Bce())
    without = {"patience": None, "scored": "last", "loss": Bce()}
    whole = TrialConfig(data={**BINARY, "source": source, "validation_per_class": 0}, **without)
    assert not whole.data.validates


def test_blocks_that_differ_in_their_groups_have_names_that_differ() -> None:
    groups = [{"level": 1}, {"level": 2}, {"pattern": "(a)"}, None]
    tasks = [
        Binary(source=ImageFolder(folder="scans", groups=one), negative=(1,), positive=(8,)) for one in groups
    ]
    names = BlockLabels(tasks)
    assert len({names.block(task) for task in tasks}) == 4
    assert names.block(tasks[0]) == "scans all data (8 vs 1) source.groups.level=1"
    shares = [task.model_copy(update={"test_share": share}) for task in tasks[:1] for share in (0.1, 0.2)]
    assert BlockLabels(shares).block(shares[1]) == "scans all data (8 vs 1) test_share=0.2"
