"""Measurements of trials: one per kind of trial and machine, by a process that tells its own peak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_spaces.config import Adam, Bce, Ldam, SmallCnn, TrialConfig
from search_spaces.errors import InputError
from search_spaces.presets import preset
from sweeps.capacity import probe as probing
from sweeps.capacity.measure import Request, measure
from sweeps.capacity.probe import Probes, estimate, kinds, probe
from sweeps.child import ask
from sweeps.plan import make_plan
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial_needs import TrialNeeds
from trainer.trial_probe import measure_trial


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {**preset("digits", 20), "loss": Bce(), "epochs": 2, "seeds": (1, 2)}
    return TrialConfig(**{**fields, **changes})


def request(one: TrialConfig, data_dir: Path | None = None) -> Request:
    return Request(config=one, trial=TrialOptions(data_dir=data_dir), memory=True)


@pytest.fixture
def probes(tmp_path: Path) -> Probes:
    return Probes(str(tmp_path), TrialOptions())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Requests that would have started a process; each is answered with 0.5 s and, if asked, 1 GB."""
    requests: list[Request] = []

    def answer(given: Request) -> TrialNeeds:
        requests.append(given)
        needs = TrialNeeds("cpu", 0.5, 1000**3 if given.memory else None)
        if given.bf16:
            needs = replace(needs, has_bf16=True)
            if given.config.precision == "float32":
                needs = replace(needs, bf16_seconds=0.2)
        return needs

    monkeypatch.setattr(probing, "measure", answer)
    return requests


def test_a_process_measures_time_and_memory_of_a_trial() -> None:
    found = measure(request(config()))
    assert found.device == "cpu"
    assert found.seconds_per_epoch > 0
    assert found.host_bytes is not None
    # torch alone takes more than the first, and these tiny networks by far not the second
    assert 150e6 < found.host_bytes < 3e9
    assert (found.device_bytes, found.device_total) == (0, 0)


def test_what_goes_wrong_in_the_process_is_told(tmp_path: Path) -> None:
    absent = config(**preset("cifar10", 100))
    with pytest.raises(InputError, match=r"probe of cifar10 1:100 baseline_BCE.*cifar10"):
        measure(request(absent, tmp_path))


def test_a_killed_process_means_want_of_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A module that ends its own process so, in place of the one that measures."""
    (tmp_path / "killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        "sweeps.capacity.measure.ask", lambda module, request, what: ask("killed", request, what)
    )
    with pytest.raises(InputError, match="was killed, most likely for want of memory"):
        measure(request(config()))


def test_time_is_unknown_until_probed_and_then_cached(probes: Probes, asked: list[Request]) -> None:
    store = Store(probes.store)
    trials = make_plan("s", [config(), config(epochs=7)], store).to_run()
    assert estimate(trials, probes).unknown == 4
    assert len(probe(trials, probes)) == 1
    assert probe(trials, probes) == []
    assert [r.memory for r in asked] == [False]
    found = estimate(trials, probes)
    assert (found.unknown, found.device) == (0, "cpu")
    assert found.seconds == pytest.approx(0.5 * 2 * (2 + 7))
    assert estimate(trials, replace(probes, trial=TrialOptions(threads=2))).unknown == 4
    assert estimate(trials, replace(probes, trial=TrialOptions(compile=True))).unknown == 4
    probe(trials, replace(probes, trial=TrialOptions(compile=True)))
    assert [r.trial.compile for r in asked] == [False, True]


def test_memory_is_measured_where_only_the_time_was(probes: Probes, asked: list[Request]) -> None:
    assert probes.needs(config(), memory=False).host_bytes is None
    assert probes.needs(config(), memory=True).host_bytes == 1000**3
    assert probes.needs(config(), memory=True).host_bytes == 1000**3
    assert [r.memory for r in asked] == [False, True]


def test_bf16_is_measured_where_it_is_asked_for_and_nothing_known_is_lost(
    probes: Probes, asked: list[Request]
) -> None:
    trials = make_plan("s", [config(), config(epochs=7)], Store(probes.store)).to_run()
    probes.needs(config(), memory=True)
    assert estimate(trials, probes).bf16_seconds is None
    in_both = replace(probes, bf16=True)
    assert len(probe(trials, in_both)) == 1
    assert probe(trials, in_both) == []
    found = estimate(trials, probes)
    assert found.seconds == pytest.approx(0.5 * 2 * (2 + 7))
    assert found.bf16_seconds == pytest.approx(0.2 * 2 * (2 + 7))
    known = probes.known(config())
    assert known is not None
    assert known.host_bytes == 1000**3, "memory was measured again with it"
    assert [(r.memory, r.bf16) for r in asked] == [(True, False), (True, True)]
    assert probe(trials, probes) == []


def test_bf16_is_told_only_where_all_float32_trials_were_measured(
    probes: Probes, asked: list[Request]
) -> None:
    in_both = replace(probes, bf16=True)
    trials = make_plan("s", [config(), config(precision="bf16")], Store(probes.store)).to_run()
    probe(trials[:1], in_both)
    assert estimate(trials[:1], probes).bf16_seconds is not None
    probe(trials[1:], in_both)
    assert estimate(trials[1:], probes).bf16_seconds is None, "they are bf16 already"
    assert estimate(trials, probes).bf16_seconds == pytest.approx((0.2 + 0.5) * 2 * 2)
    wide = make_plan("s", [config(), config(batch_size=64)], Store(probes.store)).to_run()
    assert estimate(wide, probes).bf16_seconds is None, "of one kind nothing is known"


def test_a_measurement_of_an_earlier_version_is_read(probes: Probes, asked: list[Request]) -> None:
    probes.needs(config(), memory=False)
    store = Store(probes.store)
    (name,) = store.storage.list_files("probes", recursive=False)
    content = store.storage.read_json(name)
    assert content is not None
    store.storage.write_json(
        name, {k: v for k, v in content.items() if k not in ("has_bf16", "bf16_seconds", "sha256")}
    )
    known = probes.known(config())
    assert known is not None
    assert (known.seconds_per_epoch, known.has_bf16) == (0.5, None)


@pytest.mark.parametrize("supported", [True, False])
def test_a_trial_is_measured_in_bf16_where_the_device_has_it(
    monkeypatch: pytest.MonkeyPatch, supported: bool
) -> None:
    monkeypatch.setattr("trainer.trial_probe.has_bf16", lambda device: supported)
    one = config(model=SmallCnn(width=2))
    found = measure_trial(one, torch.device("cpu"), TrialOptions(), memory=False, bf16=True)
    assert found.has_bf16 == supported
    assert (found.bf16_seconds is not None) == supported
    if found.bf16_seconds is not None:
        assert found.bf16_seconds > 0
    unasked = measure_trial(one, torch.device("cpu"), TrialOptions(), memory=False)
    assert (unasked.has_bf16, unasked.bf16_seconds) == (None, None)


def test_kinds_differ_in_what_time_or_memory_depend_on(tmp_path: Path) -> None:
    he = SmallCnn(initialization="he_fan_out")
    alike = [config(), config(epochs=3), config(patience=1), config(scored="last"), config(model=he)]
    other = [
        config(loss=Ldam()),
        config(batch_size=64),
        config(seeds=(1, 2, 3)),
        config(optimizer=Adam(learning_rate=0.1)),
        config(epochs=9, scored="mean_of_last_3"),  # it holds more weights
    ]
    trials = make_plan("s", [*alike, *other], Store(tmp_path)).to_run()
    assert list(kinds(trials).values()) == [alike[0], *other]


def test_measurements_of_another_machine_do_not_count(
    probes: Probes, asked: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    probes.needs(config(), memory=True)
    monkeypatch.setattr(probing, "machine_kind", lambda: "another")
    assert probes.known(config()) is None
