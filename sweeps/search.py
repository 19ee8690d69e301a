"""A search on Ray Tune: the study in the store says what comes next, and learns from every trial's end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from search_spaces.config import TrialConfig
from sweeps.study import SearchStudy


class StudySearcher(Searcher):  # type: ignore[misc]
    """Gives Tune first the known trials that lack replicates, then new suggestions of the study.

    `configs` is filled with every trial given out, for those who know trials by their id. Once `is_over` says
    so, nothing more is suggested.
    """

    def __init__(
        self,
        study: SearchStudy,
        waiting: Sequence[TrialConfig],
        configs: dict[str, TrialConfig],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self.is_over = is_over
        self.study = study
        self.waiting = list(waiting)
        self.configs = configs
        self._given: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the study in the store is what a relaunch goes on from."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Parameters of the next Tune trial, whose id is Tune's own, or FINISHED."""
        config = None if self.is_over() else self._next()
        if config is None:
            return str(Searcher.FINISHED)
        self._given[trial_id] = config.trial_id
        self.configs[config.trial_id] = config
        return {"trial_id": config.trial_id, "config": config.model_dump_json()}

    def _next(self) -> TrialConfig | None:
        if self.waiting:
            return self.waiting.pop(0)
        return self.study.suggest()

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Learn from a trial that has ended."""
        self.study.finish(self._given[trial_id])

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""
