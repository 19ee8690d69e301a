"""A search on Ray Tune: the study in the store says what comes next, and learns from every trial's end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.search import Searcher

from search_spaces.config import TrialConfig
from search_spaces.errors import StoreError
from sweeps.search.study import SearchStudy

log = logging.getLogger(__name__)

# Each is as long as the store repeats its calls: about a minute.
MOST_OUTAGES = 5


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
        self._outages = 0

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the study in the store is what a relaunch goes on from."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Parameters of the next Tune trial, whose id is Tune's own, FINISHED, or None: ask again.

        Raises StoreError after MOST_OUTAGES outages of the storage in a row.
        """
        try:
            config = None if self.is_over() else self._next()
        except StoreError as error:
            self._outages += 1
            if self._outages >= MOST_OUTAGES:
                raise
            log.warning("the next trial of the search waits for storage: %s", error)
            return None  # Tune asks again
        self._outages = 0
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
        """Learn from a trial that has ended, if the store can be read: a relaunch learns it anyway."""
        try:
            self.study.finish(self._given[trial_id])
        except StoreError as error:
            log.warning("nothing is learned from trial %s: %s", self._given[trial_id], error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, for the same reason."""
