"""The spaces of label sets hold the document's attempts, at its prevalences and its learning rate."""

from __future__ import annotations

import pytest

from search_spaces.catalog import load_space
from search_spaces.config import Adam
from search_spaces.multilabel.presets import PREVALENCES
from search_spaces.rows import cell_key, row_label
from trainer.data.survey import look_at_labels

# Of one network and one schedule; the large space tries other networks with plain BCE.
ROWS, TRIALS = 15, 18
NETWORKS = ("densenet121", "resnet18", "resnet50", "efficientnet_b0", "convnext_tiny")


@pytest.mark.parametrize(
    ("name", "schedules", "others", "network"),
    [("multilabel", 3, 4, " model=densenet121"), ("digits-multilabel", 1, 0, "")],
)
def test_rows_are_losses_weights_samplers_and_schedules(
    name: str, schedules: int, others: int, network: str
) -> None:
    space = load_space(name)
    rows = {row_label(trial, space.reading.rows) for trial in space}
    keys = {cell_key(trial, space.reading.rows) for trial in space}
    assert len(keys) == len(rows) == (ROWS + others) * schedules
    assert not any(trial.corrects_twice for trial in space)
    assert len(space) == (TRIALS + others) * schedules
    attempts = {
        "ML-BCE",
        "ML-W-BCE loss.weighting=negatives_per_positive",
        "ML-W-BCE loss.weighting=inverse_share",
        "ML-FL-2 loss.weighting=inverse_share",
        "ML-BCE single_label",
        "ML-BCE + ALM",
    }
    for attempt in attempts:
        words, plus, constraint = attempt.partition(" + ")
        assert f"{words}{network}{plus}{constraint}" in rows


def test_networks_are_torchvision_s_with_the_document_s_first() -> None:
    space = load_space("multilabel")
    assert tuple(dict.fromkeys(trial.model.name for trial in space)) == NETWORKS
    for trial in space:
        weights = trial.model.first_weights
        assert weights is not None
        assert weights.url is not None
        if trial.model.name != NETWORKS[0]:
            assert (trial.loss.name, trial.sampler, trial.constraint) == ("ml_bce", "shuffle", None)


def test_the_document_s_learning_rate_is_divided_by_ten_after_every_epoch() -> None:
    (adam,) = {
        trial.optimizer for trial in load_space("multilabel") if trial.optimizer.schedule == "exponential"
    }
    assert isinstance(adam, Adam)
    assert [adam.rate(epoch, 4) for epoch in range(4)] == pytest.approx([1e-4, 1e-5, 1e-6, 1e-7])


def test_mosaics_have_the_document_s_prevalences() -> None:
    (task,) = dict.fromkeys(trial.data for trial in load_space("digits-multilabel"))
    survey = look_at_labels([task], None)[task].survey
    assert survey is not None
    for facts, images in ((survey.train, 2400), (survey.validation.counts, 800), (survey.test.counts, 800)):
        for count, share in zip(facts, PREVALENCES, strict=True):
            assert abs(count / images - share) < 4 * (share * (1 - share) / images) ** 0.5
