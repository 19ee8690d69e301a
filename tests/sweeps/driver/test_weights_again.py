"""`retry --weights`: weights that were not kept come back only where they give the stored scores."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from click.testing import Result

from search_spaces.config import TrialConfig
from search_spaces.space import SearchSpace
from sweeps.driver.training import Training
from trainer.options import TrialOptions
from trainer.store import Store, SweepManifest, states_of
from trainer.trial import run_trial

Cli = Callable[..., Result]
CPU = torch.device("cpu")
SETTINGS = {"dataset": "digits", "ratio": 20, "model.width": 4, "epochs": 1, "seeds": [1, 2]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two trials of one cell, without weights."""
    folder = tmp_path_factory.mktemp("trained")
    rates = [{**SETTINGS, "loss": "baseline_BCE", "optimizer.learning_rate": rate} for rate in (0.01, 0.02)]
    trials = SearchSpace.of("mine", rates).trials
    store = Store(folder)
    store.write_sweep(SweepManifest("mine", trials))
    for config in trials:
        run_trial(config, store, CPU, TrialOptions(keep_weights="none"))
    return folder


@pytest.fixture
def output(trained: Path, tmp_path: Path) -> Path:
    """A copy of that sweep."""
    copy = tmp_path / "out"
    for file in trained.rglob("*"):
        if file.is_file():
            (copy / file.relative_to(trained)).parent.mkdir(parents=True, exist_ok=True)
            (copy / file.relative_to(trained)).write_bytes(file.read_bytes())
    return copy


class Driver:
    """Trains in this process what the driver would give to Ray; `most` replicates, then it is interrupted."""

    def __init__(self) -> None:
        self.trained: list[tuple[str, int]] = []
        self.most = 100

    def __call__(self, training: Training) -> tuple[bool, str | None]:
        assert training.options.no_tracking
        for trial in training.work.wanted:
            for seed in trial.missing:
                if len(self.trained) == self.most:
                    return True, None
                one = trial.config.model_copy(update={"seeds": (seed,)})
                run_trial(one, training.work.store, CPU, training.options.trial)
                self.trained.append((trial.trial_id, seed))
        return False, None


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    driver = Driver()
    monkeypatch.setattr("sweeps.driver.weights_again.train", driver)
    return driver


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a store, without what is trained beside it."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.is_file() and not name.startswith("again/"):
            found[name] = file.read_bytes()
    return found


def trials_of(folder: Path) -> tuple[TrialConfig, ...]:
    return Store(folder).read_sweep("mine").trials


def test_evaluate_advises_what_brings_the_weights_back(cli: Cli, output: Path, driver: Driver) -> None:
    trial_id = trials_of(output)[1].trial_id
    refused = cli("evaluate", trial_id, "--output", output)
    assert refused.exit_code == 2
    (line,) = refused.stderr.strip().splitlines()
    assert "the weights of its seeds 1, 2 were not kept" in line
    words = shlex.split(line.partition("trained again by: ")[2])
    before = contents(output)
    done = cli(*words[1:])
    assert done.exit_code == 0, done.output
    assert "weights of 1 of 1 trial kept" in done.stdout
    assert driver.trained == [(trial_id, 1), (trial_id, 2)]
    scored = cli("evaluate", trial_id, "--output", output)
    assert scored.exit_code == 0, scored.stderr
    # Beside weights, the markers that list them and their copies, nothing was added or changed.
    after = contents(output)
    for name in after.keys() | before.keys():
        if before.get(name) != after.get(name):
            assert re.fullmatch(
                rf"trials/{trial_id}/replicates/[12]/(DONE|weights\..+\.pt)|(index/|joined/){trial_id}.+",
                name,
            ), name
    assert not (output / "again" / "mine").exists()
    store = Store(output)
    by_index = store.all_replicates({trial_id: (1, 2)})[trial_id]
    assert by_index == store.replicates.ended(trial_id)
    assert all(map(store.replicates.has_weights, by_index.values()))


def test_the_chosen_trials_or_all(cli: Cli, output: Path, driver: Driver) -> None:
    assert cli("retry", "mine", "--weights", "--output", output).exit_code == 0
    assert len({trial_id for trial_id, _ in driver.trained}) == 1
    again = cli("retry", "mine", "--weights", "--output", output)
    assert again.exit_code == 0
    assert "nothing to train" in again.stdout
    done = cli("retry", "mine", "--weights", "--keep-weights", "all", "--output", output)
    assert done.exit_code == 0
    assert len(driver.trained) == len(set(driver.trained)) == 4


def as_if_elsewhere(store: Store, config: TrialConfig) -> None:
    """Give a stored replicate the scores and the result of a machine that rounds otherwise."""
    done = store.replicates.ended(config.trial_id)[2]
    scores = store.replicates.read_scores(done)
    column = scores.column_names.index("score")
    moved = pa.array(scores["score"].to_numpy() + 1e-4).cast(pa.float32())
    result = {**store.replicates.read_result(done), "threads": 4}
    store.replicates.write(
        config.trial_id,
        2,
        state="completed",
        attempt="elsewhere",
        epochs=store.replicates.read_epochs(done),
        scores=scores.set_column(column, "score", moved),
        result=result,
    )
    store.index.write(config.trial_id)


def test_other_scores_keep_and_change_nothing(cli: Cli, output: Path, driver: Driver) -> None:
    store, config = Store(output), trials_of(output)[0]
    as_if_elsewhere(store, config)
    before = contents(output)
    done = cli("retry", "mine", "--weights", "--trial", config.trial_id[:8], "--output", output)
    assert done.exit_code == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("not kept")]
    assert config.trial_id in line
    assert line.endswith("scores differ by up to 0.0001; CPU threads: 4, now 1")
    assert contents(output) == before
    assert not (output / "again" / "mine").exists()


def test_an_interrupted_one_goes_on(cli: Cli, output: Path, driver: Driver) -> None:
    driver.most, before = 1, contents(output)
    stopped = cli("retry", "mine", "--weights", "--output", output)
    assert stopped.exit_code == 130
    assert contents(output) == before
    driver.most = 100
    assert cli("retry", "mine", "--weights", "--output", output).exit_code == 0
    assert [seed for _, seed in driver.trained] == [1, 2]
    trial_id = driver.trained[0][0]
    assert states_of(Store(output).replicates.ended(trial_id)) == {1: "completed", 2: "completed"}


def test_a_kill_between_two_markers_goes_on(
    cli: Cli, output: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One replicate has its weights, the other has not, and the index tells nothing that is not so."""
    from trainer.store.replicates import Replicates

    add = Replicates.add_weights

    def killed(self: Replicates, done: object, *rest: object) -> object:
        if done.seed == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return add(self, done, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Replicates, "add_weights", killed)
    assert cli("retry", "mine", "--weights", "--output", output).exit_code == 130
    trial_id = driver.trained[0][0]
    store = Store(output)
    assert store.all_replicates({trial_id: (1, 2)})[trial_id] == store.replicates.ended(trial_id)
    monkeypatch.setattr(Replicates, "add_weights", add)
    assert cli("retry", "mine", "--weights", "--output", output).exit_code == 0
    assert len(driver.trained) == 2, "nothing is trained a third time"
    assert cli("evaluate", trial_id, "--output", output).exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--weights", "--failed"], "--weights: expected it alone, given --failed too"),
        (["--failed", "--trial", "0"], "--trial: expected --weights too, given none"),
        (["--weights", "--trial", "zz"], "whose id starts with 'zz', found none"),
        (["--weights", "--keep-weights", "none"], "expected --keep-weights selected or all, given none"),
    ],
)
def test_bad_input(cli: Cli, output: Path, driver: Driver, given: list[str], message: str) -> None:
    done = cli("retry", "mine", *given, "--output", output)
    assert done.exit_code == 2
    assert message in done.stderr
    assert driver.trained == []


def test_a_trial_of_no_sweep_has_no_advice(cli: Cli, output: Path) -> None:
    trial_id = trials_of(output)[0].trial_id
    manifest = json.loads((output / "sweeps" / "mine.json").read_text())
    manifest["trials"] = manifest["trials"][1:]
    (output / "sweeps" / "mine.json").write_text(json.dumps(manifest))
    refused = cli("evaluate", trial_id, "--output", output)
    assert refused.exit_code == 2
    assert "no sweep of" in refused.stderr
