"""The published configurations agree, row by row and in order, with the tables of the authors' read-me."""

from __future__ import annotations

import re
from pathlib import Path

from search_spaces.catalog import load_space
from search_spaces.labels import block_label
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.presets import preset
from search_spaces.rows import row_label

TABLES = Path(__file__).with_name("published_tables.txt")


def printed_rows() -> list[tuple[str, str, str, str, str]]:
    """Block, row, loss, constraint and delta ("-" for none) of every row of the tables."""
    rows, block = [], ""
    for line in TABLES.read_text().splitlines():
        heading = re.fullmatch(r"(CIFAR\d+), CLASS RATIO (1:\d+)", line)
        cells = [cell.strip() for cell in line.split("|")]
        if heading:
            block = f"{heading[1].lower()} {heading[2]}"
        elif len(cells) == 5 and cells[1].startswith("baseline"):
            rows.append((block, cells[0], cells[1], cells[2], cells[3]))
    return rows


def test_the_space_is_the_tables() -> None:
    ours = []
    for trial in load_space("paper-published"):
        name, delta = "-", "-"
        if trial.constraint is not None:
            name, delta = constraint_name(trial.constraint), str(trial.constraint.margin)
        ours.append((block_label(trial.data), row_label(trial), loss_name(trial.loss), name, delta))
    printed = printed_rows()
    assert len(printed) == 68
    assert ours == printed


def test_the_rest_of_a_published_trial_is_the_papers_preset() -> None:
    for trial in load_space("paper-published"):
        fields = preset(trial.data.source.name, trial.data.ratio)
        assert {name: getattr(trial, name) for name in fields} == fields
        assert trial.seeds == tuple(range(1, 11))


def test_published_trials_are_among_the_papers() -> None:
    every = {trial.trial_id for trial in load_space("paper")}
    assert all(trial.trial_id in every for trial in load_space("paper-published"))
