"""Names of runs: what differs within the sweep first, as much as a narrow column shows."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.settings import read_settings, varying_settings
from search_spaces.config import Task, TrialConfig
from search_spaces.labels import BlockLabels, settings_label
from search_spaces.paper.named import constraint_name, loss_name

# Of every named loss of the paper: nothing that tells runs apart.
_COMMON = "baseline_"


class RunNames:
    """The names of a sweep's runs: "BCE ALM_14_beg delta=0.1 cifar10 1:100".

    Loss, constraint, delta, other settings and the block stand in this order, but those that are one and the
    same in the whole sweep stand behind. Settings are those that vary within a block; of trials that nobody
    knows before they are chosen, those that are not the preset's. Runs of one name differ in digits that it
    leaves out.
    """

    def __init__(self, trials: Iterable[TrialConfig], labels: BlockLabels) -> None:
        """`trials` are those of the sweep, as far as they are known."""
        self._labels = labels
        known = list(trials)
        self._settings = _varying(known)
        self._ids = {config.trial_id for config in known}
        values: dict[str, set[str]] = {}
        for config in known:
            for key, word in self._words(config).items():
                values.setdefault(key, set()).add(word)
        self._shared = {key for key, words in values.items() if len(words) == 1}

    def name(self, config: TrialConfig) -> str:
        """The name of a trial's run."""
        words = self._words(config)
        first = [word for key, word in words.items() if key not in self._shared]
        behind = [word for key, word in words.items() if key in self._shared]
        return " ".join(filter(None, [*first, *behind]))

    def _words(self, config: TrialConfig) -> dict[str, str]:
        constraint = config.constraint
        words = {"loss": loss_name(config.loss).removeprefix(_COMMON)}
        words["constraint"] = constraint_name(constraint) if constraint else ""
        words["delta"] = f"delta={constraint.margin:.4g}" if constraint else ""
        if config.trial_id in self._ids:
            for name, value in read_settings(config, self._settings).items():
                words[name] = f"{name}={value}"
        else:
            words["settings"] = settings_label(config)
        words["block"] = self._labels.block(config.data)
        return words


def _varying(trials: Iterable[TrialConfig]) -> tuple[str, ...]:
    """Names of the settings that vary within a block; those of a block's preset are told by its label."""
    blocks: dict[Task, list[TrialConfig]] = {}
    for config in trials:
        blocks.setdefault(config.data, []).append(config)
    found: set[str] = set()
    for alike in blocks.values():
        found.update(varying_settings(alike, ()))
    return tuple(sorted(found))
