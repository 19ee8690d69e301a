"""The medical case: eight rows of one block, and data in the published layout."""

from __future__ import annotations

import random
from pathlib import Path

from search_spaces.catalog import load_space
from search_spaces.config import MultiClass, Sgd, SmallCnn
from search_spaces.rows import cell_key, row_label
from trainer.data.survey import look_at_labels


def test_the_document_s_schedule_in_eight_rows() -> None:
    space = load_space("histopathology")
    assert len(space) == len({cell_key(trial, space.reading.rows) for trial in space}) == 8
    assert {(trial.epochs, trial.batch_size, trial.patience, trial.scored) for trial in space} == {
        (50, 32, None, "last")
    }
    assert {trial.model for trial in space} == {SmallCnn(width=32, blocks=3)}
    assert Sgd(learning_rate=1e-4, momentum=0.9, weight_decay=0.0) in {trial.optimizer for trial in space}
    labels = {row_label(trial, space.reading.rows) for trial in space}
    assert "class_balanced flip_rotate_affine_jitter learning_rate=0.0001" in labels


def test_the_published_layout_trains_as_many_as_the_document(tmp_path: Path) -> None:
    """A sixtieth of the patches of as many patients; names tell the labels, so the files are empty."""
    rng, root = random.Random(0), tmp_path / "breast-histopathology"
    counts = {"0": 198_738 // 60, "1": 78_786 // 60}
    for label, count in counts.items():
        for number in range(count):
            patient = rng.randrange(279)
            folder = root / str(patient) / label
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{patient}_idx5_x{number}_y1_class{label}.png").touch()
    space = load_space("histopathology")
    (task,) = dict.fromkeys(trial.data for trial in space)
    assert isinstance(task, MultiClass)
    task = task.model_copy(update={"train_share": 60 * task.train_share})
    survey = look_at_labels([task], tmp_path)[task].survey
    assert survey is not None
    assert sum(survey.groups) == 279
    negatives, positives = survey.train
    assert abs(negatives - 772) < 15
    assert positives == int(negatives / 10.2)
    for facts in (survey.validation, survey.test):
        for found, label in zip(facts.counts, counts, strict=True):
            assert abs(found / counts[label] - 0.2) < 0.005
