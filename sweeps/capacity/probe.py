"""Time and memory of trials from measurement: one probe per kind of trial and machine, cached in the store.

Measured on the machine that trains: here, or on a node of the connected cluster that can take a trial.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Protocol, TypeVar

from search_spaces.config import TrialConfig
from search_spaces.errors import AlmsweepError, DamagedError
from search_spaces.labels import trial_label
from search_spaces.sizes import output_count
from sweeps.capacity.machine import machine_kind
from sweeps.capacity.measure import Request, measure
from sweeps.options import RunOptions
from sweeps.plan import PlannedTrial
from trainer.options import TrialOptions
from trainer.store import Store, layout
from trainer.store.seal import check_seal, sealed
from trainer.trial_needs import TrialNeeds

log = logging.getLogger(__name__)

T = TypeVar("T")


class Runner(Protocol):
    """Calls a function on the machine that trains."""

    def __call__(self, call: Callable[[], T]) -> T:
        """What the function returns, or raises."""


def here(call: Callable[[], T]) -> T:
    """Call a function in this process."""
    return call()


def on_a_node(cpus: int, gpus: bool) -> Runner:
    """Calls functions on a node of the connected cluster that can take a trial, with a GPU for itself."""

    def run(call: Callable[[], T]) -> T:
        import ray

        whole_gpu = gpus and ray.cluster_resources().get("GPU", 0) >= 1
        task = ray.remote(num_cpus=cpus, num_gpus=int(whole_gpu), max_retries=0)(call)
        try:
            answer: T = ray.get(task.remote())
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, AlmsweepError):
                raise error.cause from None
            raise
        return answer

    return run


@dataclass(frozen=True)
class Probes:
    """How trials are measured, and where the measurements are kept.

    store      the result store's path or URI; measurements lie in its folder `probes`
    trial      how trials are run
    bf16       whether float32 trials are measured in bf16 too, where the device has arithmetic for it
    run        calls a function on a machine that trains: this one, or a node of the cluster
    """

    store: str
    trial: TrialOptions
    bf16: bool = False
    run: Runner = here

    def known(self, config: TrialConfig) -> TrialNeeds | None:
        """The cached measurement of trials like this one, or None."""
        return self.run(lambda: _cached(Store(self.store), _key(config, self.trial)))

    def needs(self, config: TrialConfig, *, memory: bool) -> TrialNeeds:
        """The measurement of trials like this one, taken now where none is cached.

        Raises InputError with the reason where it cannot be taken.
        """
        request = Request(config=config, trial=self.trial, memory=memory, bf16=self.bf16)
        return self.run(lambda: measured(self.store, request))


@dataclass(frozen=True)
class TimeEstimate:
    """Device seconds that a plan still needs, in sum over replicates, without early stopping.

    Each trial as if it had its GPU, or its CPUs, for itself. `device` is "cuda" or "cpu"; `unknown` counts
    the missing replicates whose kind of trial has not been measured. `bf16_seconds` is what `seconds` would
    be if the float32 trials were bf16; None where that was not measured of all of them, or there are none.
    """

    seconds: float
    unknown: int
    device: str = "cpu"
    bf16_seconds: float | None = None


def probes_for(store: Store, options: RunOptions, *, joined: bool, bf16: bool = False) -> Probes:
    """How trials of these options are measured: here, or on a node of the cluster that was joined."""
    run: Runner = here
    if joined:
        run = on_a_node(options.trial.threads, options.gpus_per_trial != 0)
    return Probes(store.storage.absolute_uri, options.trial, bf16, run)


def probe(trials: Iterable[PlannedTrial], probes: Probes) -> list[str]:
    """Measure every kind of trial that has no cached measurement; returns a line about each.

    Raises InputError with the reason where one cannot be measured.
    """
    lines = []
    for config in kinds(trials).values():
        known = probes.known(config)
        if known is None or _lacks_bf16(known, probes):
            seconds = probes.needs(config, memory=False).seconds_per_epoch
            lines.append(f"probed {trial_label(config)}: {seconds:.3g} s per epoch and replicate")
    return lines


def estimate(trials: Sequence[PlannedTrial], probes: Probes) -> TimeEstimate:
    """What the cached measurements say about the missing replicates of trials."""
    found: dict[str, TrialNeeds | None] = {}
    in_float32: list[TrialNeeds | None] = []
    for kind, config in kinds(trials).items():
        found[kind] = probes.known(config)
        if config.precision == "float32":
            in_float32.append(found[kind])
    device, seconds, bf16_seconds, unknown = "cpu", 0.0, 0.0, 0
    for trial in trials:
        needs = found.get(_kind(trial.config))
        if needs is None:
            unknown += len(trial.missing)
            continue
        device = needs.device
        epochs = trial.config.epochs * len(trial.missing)
        seconds += needs.seconds_per_epoch * epochs
        bf16_seconds += (needs.bf16_seconds or needs.seconds_per_epoch) * epochs
    if not _all_in_bf16(in_float32):
        return TimeEstimate(seconds, unknown, device)
    return TimeEstimate(seconds, unknown, device, bf16_seconds)


def _all_in_bf16(measured: Sequence[TrialNeeds | None]) -> bool:
    """Whether every kind of trial in float32, of which there is one at least, was measured in bf16 too."""
    for needs in measured:
        if needs is None or needs.bf16_seconds is None:
            return False
    return bool(measured)


def kinds(trials: Iterable[PlannedTrial]) -> dict[str, TrialConfig]:
    """One configuration of each kind of trial that has replicates missing."""
    found: dict[str, TrialConfig] = {}
    for trial in trials:
        if trial.missing:
            found.setdefault(_kind(trial.config), trial.config)
    return found


def measured(store_uri: str, request: Request) -> TrialNeeds:
    """The cached measurement where it tells what is asked, else a new one, which is cached.

    machine    the kind of machine that was measured
    threads    of the processor, per trial
    trial      the trial that was measured, in words
    compiled   whether its network went through `torch.compile`
    sha256     of the rest
    """
    store, key = Store(store_uri), _key(request.config, request.trial)
    cached = _cached(store, key)
    if cached is not None and _tells(cached, request):
        return cached
    found = measure(_with_what_is_known(request, cached))
    facts = {
        "machine": machine_kind(),
        "threads": request.trial.threads,
        "trial": trial_label(request.config),
        "compiled": request.trial.compile,
    }
    store.storage.write_json(layout.probe(key), sealed({**facts, **asdict(found)}))
    return found


def _tells(cached: TrialNeeds, request: Request) -> bool:
    """Whether a measurement answers all that a request asks for."""
    if request.memory and cached.host_bytes is None:
        return False
    return not _lacks_bf16(cached, request)


def _cached(store: Store, key: str) -> TrialNeeds | None:
    try:
        content = store.storage.read_json(layout.probe(key))
        if content is None:
            return None
        check_seal(content, store.storage.where(layout.probe(key)))
    except DamagedError as error:
        log.info("%s; it is measured again", error)
        return None
    # The file holds other facts too; a measurement of an earlier version lacks what was not measured then.
    known = {field.name for field in fields(TrialNeeds)}
    try:
        return TrialNeeds(**{name: value for name, value in content.items() if name in known})
    except TypeError:  # something else lies in its place
        return None


def _lacks_bf16(needs: TrialNeeds, asked: Probes | Request) -> bool:
    """Whether the time in bf16 is asked for and was never looked for; of compiled trials it is not told."""
    return asked.bf16 and not asked.trial.compile and needs.has_bf16 is None


def _with_what_is_known(request: Request, cached: TrialNeeds | None) -> Request:
    """The request with all that the measurement it replaces has told: memory, bf16."""
    if cached is None:
        return request
    memory = request.memory or cached.host_bytes is not None
    bf16 = request.bf16 or cached.has_bf16 is not None
    return request.model_copy(update={"memory": memory, "bf16": bf16})


def _kind(config: TrialConfig) -> str:
    """All of a configuration that its time per epoch and its memory depend on, as JSON."""
    names = {"data", "model", "sampler", "augmentation", "batch_size", "precision"}
    kind = config.model_dump(mode="json", include=names)
    kind["model"].pop("initialization", None)
    kind.update(
        scored_epochs=config.scored_epochs,
        constraint=config.constraint is not None,
        outputs=output_count(config),
        optimizer=config.optimizer.name,
        replicates=len(config.seeds),
    )
    return json.dumps(kind, sort_keys=True)


def _key(config: TrialConfig, trial: TrialOptions) -> str:
    """The name of a measurement: kind of trial and machine, threads, whether compiled, where images are."""
    words: list[str | int] = [_kind(config), trial.threads, machine_kind()]
    if trial.compile:
        words.append("compiled")
    if trial.images != "auto":
        words.append(trial.images)
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
