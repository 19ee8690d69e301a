"""When a block is given up: its first trials have all failed with one error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from search_spaces.config import TrialConfig
from search_spaces.labels import BlockLabels, block_key
from search_spaces.redaction import redacted

# So many trials of a block must end before any has done well, all with one error, for it to be given up.
SAME_ERROR_LIMIT = 3


class SameErrors:
    """The errors of each block's first trials, as long as none of its trials has done well.

    configs   the trials of the run by id, to which a search adds its own
    """

    def __init__(self, configs: Mapping[str, TrialConfig]) -> None:
        self._configs = configs
        self._errors: dict[str, list[str]] = {}
        self._well: set[str] = set()
        self._given_up: dict[str, str] = {}
        self._blocks: dict[str, str] = {}

    def failed(self, config: TrialConfig, error: str) -> None:
        """A trial has failed."""
        self._errors.setdefault(self._block(config.trial_id), []).append(redacted(error))

    def did_well(self, config: TrialConfig) -> None:
        """A worker did its work on a trial, whatever came of it: its block is not given up any more."""
        self._well.add(self._block(config.trial_id))

    def give_up(self) -> list[str]:
        """The trials of blocks that are given up now and were not before."""
        blocks = []
        for block, errors in self._errors.items():
            first = errors[:SAME_ERROR_LIMIT]
            is_one = len(first) == SAME_ERROR_LIMIT and len(set(map(_kind, first))) == 1
            if is_one and block not in self._well and block not in self._given_up:
                self._given_up[block] = first[0]
                blocks.append(block)
        return [trial_id for trial_id in self._configs if blocks and self._block(trial_id) in blocks]

    def is_given_up(self, config: TrialConfig) -> bool:
        """Whether a trial's block is."""
        return self._block(config.trial_id) in self._given_up

    def all_given_up(self) -> bool:
        """Whether there is no other block left."""
        if not self._given_up:
            return False
        return all(self._block(trial_id) in self._given_up for trial_id in self._configs)

    def words(self) -> str | None:
        """Which blocks were given up, and why; None where none was."""
        if not self._given_up:
            return None
        names = BlockLabels(config.data for config in self._configs.values())
        labels = {block_key(config.data): names.block(config.data) for config in self._configs.values()}
        if len(labels) == 1:
            return f"the first {SAME_ERROR_LIMIT} trials all failed: {next(iter(self._given_up.values()))}"
        told = []
        for block, error in self._given_up.items():
            told.append(f"the first {SAME_ERROR_LIMIT} trials of {labels[block]} all failed: {error}")
        return "; ".join(told)

    def _block(self, trial_id: str) -> str:
        """The block of a trial, remembered: it is asked for at every step of Tune's loop."""
        if trial_id not in self._blocks:
            self._blocks[trial_id] = block_key(self._configs[trial_id].data)
        return self._blocks[trial_id]


def _kind(error: str) -> str:
    """An error without what differs from trial to trial: ids, numbers."""
    return re.sub(r"\b[0-9a-f]{16,}\b|\d+", "#", error)
