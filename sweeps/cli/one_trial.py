"""Which trial a command means: one that options describe, one of a space, or one by its id's first digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.errors import InputError, SpaceError
from sweeps.hints import advised

if TYPE_CHECKING:
    from search_spaces.config import TrialConfig

DEFAULTS = {"dataset": "digits", "loss": "baseline_BCE", "alm": "none"}
# A whole part of a configuration replaces what a short form says of it.
WHOLE_PARTS = {"dataset": "data", "alm": "constraint"}


@dataclass(frozen=True)
class Described:
    """What the options of `train` say of its trial; None for what they leave open.

    settings   texts KEY=VALUE
    """

    dataset: str | None = None
    ratio: float | None = None
    loss: str | None = None
    alm: str | None = None
    delta: float | None = None
    settings: Sequence[str] = ()

    def trial(self, replicates: int | None) -> TrialConfig:
        """The trial, with the seeds 1 to `replicates`. Raises InputError for what is no trial."""
        from search_spaces.space import SearchSpace

        wanted = self._given()
        for text in self.settings:
            key, value = setting_of(text)
            if key in wanted:
                raise InputError(f"--set: expected {key} once, given it again with {text!r}")
            wanted[key] = value
        for key, value in DEFAULTS.items():
            if WHOLE_PARTS.get(key) not in wanted:
                wanted.setdefault(key, value)
        if replicates is not None or "seeds" not in wanted:
            if "seeds" in wanted:
                raise InputError("--replicates: expected it, or --set seeds=…, given both")
            wanted["seeds"] = list(range(1, (replicates or 1) + 1))
        try:
            (trial,) = SearchSpace.of("train", [wanted]).trials
        except SpaceError as error:  # it was no file's fault
            raise InputError(str(error).replace("search space train: ", "train: ", 1)) from None
        return trial

    def _given(self) -> dict[str, object]:
        """The settings of the options that were given, by key."""
        has_none = self.alm is None or self.alm.casefold() == "none"
        is_set = any(text.startswith(("alm=", "constraint=")) for text in self.settings)
        if self.delta is not None and has_none and not is_set:
            raise InputError("--delta: a margin needs a constraint; name one with --alm")
        options = {
            "dataset": self.dataset,
            "ratio": self.ratio,
            "loss": self.loss,
            "alm": self.alm,
            "delta": self.delta,
        }
        return {key: value for key, value in options.items() if value is not None}


def setting_of(text: str) -> tuple[str, object]:
    """Key and value of KEY=VALUE, the value read as in a space's file: a number, text, list or mapping.

    >>> setting_of("optimizer.learning_rate=1e-3"), setting_of("data.positive=[cat, 3]")
    (('optimizer.learning_rate', 0.001), ('data.positive', ['cat', 3]))
    """
    from search_spaces.problem import Problem
    from search_spaces.yaml.file import parse_yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set: expected KEY=VALUE, given {text!r}")
    try:
        return key, parse_yaml(value)
    except Problem as problem:
        raise InputError(f"--set {key}: {problem}") from None


def one_id(begin: str, known: Iterable[str], wanted: str) -> str:
    """The one of the known ids that begins so. Raises InputError, which says first what is `wanted`."""
    fitting = sorted(trial_id for trial_id in known if trial_id.startswith(begin))
    if len(fitting) != 1:
        told = ", ".join(fitting[:5]) or "none"
        raise InputError(f"{wanted}, found {told}")
    return fitting[0]


def trial_of_space(space: str, which: str | None, replicates: int | None) -> TrialConfig:
    """A space's only trial, or the one that `which` names: by its number from 1, or by its id's first digits.

    `replicates` asks for the seeds 1 to N instead of the space's own. Raises InputError where no single trial
    is named.
    """
    from search_spaces.catalog import load_space

    found = load_space(space)
    trials = found.trials
    if found.search is not None:
        raise InputError(f"{space}: expected a space that lists its trials, given a search")
    if which is not None:
        trial = _named(space, trials, which)
    elif len(trials) == 1:
        (trial,) = trials
    else:
        listed = advised("plan", "--trials", space=space)
        raise InputError(
            f"{space}: expected a space of one trial, given {len(trials):,}; say which by --trial and a "
            f"number or an id; both are listed by: {listed}"
        )
    if replicates is not None:
        trial = trial.model_copy(update={"seeds": tuple(range(1, replicates + 1))})
    return trial


def _named(space: str, trials: Sequence[TrialConfig], which: str) -> TrialConfig:
    if which.isdecimal() and 1 <= int(which) <= len(trials):
        return trials[int(which) - 1]
    by_id = {trial.trial_id: trial for trial in trials}
    numbers = f"a number from 1 to {len(trials):,}"
    wanted = f"--trial: expected {numbers}, or the begin of one id of {space}, given {which!r}"
    return by_id[one_id(which, by_id, wanted)]
