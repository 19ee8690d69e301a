"""Ready settings per data set: `dataset` in a space names one, and it fills in all that it says."""

from __future__ import annotations

from search_spaces.config import Task
from search_spaces.errors import SpaceError, unknown_name
from search_spaces.longtail import presets as longtail
from search_spaces.multilabel import presets as multilabel
from search_spaces.paper import presets as paper

# The task of each preset. Without a ratio every class keeps all its training examples.
TASKS: dict[str, Task] = {**paper.TASKS, **longtail.TASKS, **multilabel.TASKS}

# Fields of TrialConfig by data set.
PRESETS: dict[str, dict[str, object]] = {**paper.PRESETS, **longtail.PRESETS, **multilabel.PRESETS}


def preset(name: str, ratio: float | None = None) -> dict[str, object]:
    """Fields of TrialConfig for a data set, all but `loss`, `constraint` and `seeds`, with this ratio.

    ratio   examples of the most frequent class per example of the rarest, at least 1; None: the preset's

    Raises SpaceError for an unknown data set, and pydantic's ValidationError for an impossible ratio.
    """
    known = name.casefold()
    if known not in PRESETS:
        raise SpaceError(unknown_name("data set", name, list(PRESETS)))
    task = TASKS[known]
    return {**PRESETS[known], "data": task if ratio is None else task.with_ratio(ratio)}
