"""What is said of a sweep's data before it trains, as a user meets it; no test here starts Ray."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console

from analysis.tables import make_tables
from search_spaces.catalog import load_space
from search_spaces.config import Bce
from search_spaces.errors import DataError
from sweeps.capacity.packing import Packing
from sweeps.driver.data import RunData
from sweeps.driver.opened import open_stored, open_sweep
from sweeps.driver.run import SweepOutcome, run_sweep
from sweeps.driver.survey import Answer, Request, labels_here, look_here
from sweeps.driver.training import Training
from sweeps.driver.work import Work
from sweeps.options import RunOptions
from tests.analysis.stored_sweep import SweepBuilder, score_table, trial, with_column
from tests.sweeps.synthetic_store import write_trial
from tests.trainer.image_files import random_images, write_class_folders
from trainer.data.survey_pixels import look_at_data
from trainer.data.task import read_splits
from trainer.options import TrialOptions
from trainer.store import Store

Cli = Callable[..., Result]

RATIOS = """
name: ratios
fixed: {dataset: digits, seeds: [1], epochs: 1, model.width: 4}
grid: {ratio: [3, 20], loss: [baseline_BCE, baseline_LDAM]}
"""
SCANS = """
name: scans
fixed:
  data:
    source: {name: folder, folder: scans, size: 8}
    negative: [benign]
    positive: [malignant]
    validation_per_class: 5
    test_per_class: 5
  epochs: 1
  seeds: [1]
grid: {ratio: [2, 5], loss: [baseline_BCE]}
"""


def space(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def write_scans(split: Path, benign: int, malignant: int, seed: int = 0) -> None:
    write_class_folders(split, {"benign": random_images(benign, (3, 8, 8), seed)})
    write_class_folders(split, {"malignant": random_images(malignant, (3, 8, 8), seed + 1)})


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode in this process, which has torch already."""

    def ask(module: str, request: Request, what: str) -> dict[str, Any]:
        data_dir = None if request.data_dir is None else Path(request.data_dir)
        read_splits.cache_clear()
        found = look_at_data(request.tasks, request.if_there, data_dir)
        return json.loads(Answer(findings=tuple(found)).model_dump_json())  # type: ignore[no-any-return]

    monkeypatch.setattr("sweeps.driver.survey.ask", ask)


# plan


def test_plan_tells_what_labels_tell(cli: Cli, tmp_path: Path) -> None:
    done = cli("plan", space(tmp_path, RATIOS), "-o", tmp_path / "out")
    assert done.exit_code == 1, "one of two blocks cannot be trained"
    assert (
        "cannot be trained: digits 1:3: digits: ratio 1:3 of 451 training negatives asks for" in done.stdout
    )
    assert (
        "test        40 of each of 6 classes: drawn from the training images (test_per_class)" in done.stdout
    )
    (training,) = [line for line in done.stdout.splitlines() if line.startswith("  training")]
    assert training.startswith("  training    1:20: class 1: 91 of 102, ")
    assert training.endswith("class 8: 22 of 94 (train_share 0.9)")
    assert "data digits" in done.stdout.splitlines()
    assert not (tmp_path / "out").exists()


def test_plan_without_data_stays_as_it_is(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALMSWEEP_DATA", raising=False)
    done = cli("plan", "paper-published", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "data" not in done.stdout
    done = cli("plan", "paper-published", "-o", tmp_path / "out", "--data-dir", tmp_path / "none")
    assert done.exit_code == 0
    assert done.stdout.count("data are not here: cifar") == 2


def test_plan_counts_what_is_passed_over(cli: Cli, tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    write_scans(tmp_path / "scans" / "malignant" / "patient 7", 3, 9)
    (tmp_path / "scans" / "benign" / "list.xyz").write_text("no image")
    done = cli("plan", space(tmp_path, SCANS), "-o", tmp_path / "out", "--data-dir", tmp_path)
    assert done.exit_code == 0
    assert "  training    1:2: benign 45 of 50, malignant 22 of 30 (train_share 0.9)" in done.stdout
    assert "  training    1:5: benign 45 of 50, malignant 9 of 30 (train_share 0.9)" in done.stdout
    left_out = [line for line in done.stdout.splitlines() if line.startswith("  left out")]
    assert any("12" in line and "patient 7" in line for line in left_out)
    assert any("list.xyz" in line for line in left_out)
    (header,) = [line for line in done.stdout.splitlines() if line.startswith("data ")]
    assert "scans" in header


# Splits of its own that a data set has


REPLACING = SCANS.replace("test_per_class: 5\n", "test_per_class: 5\n    replace_splits: true\n")


@pytest.fixture
def with_own_splits(tmp_path: Path) -> Path:
    """Scans of one hospital, and those of another to be tested on."""
    for seed, split in enumerate(("train", "val", "test")):
        write_scans(tmp_path / "scans" / split, 60, 40, seed * 10)
    return tmp_path


def test_own_splits_are_left_out_by_permission_only(
    with_own_splits: Path, cli: Cli, started: Started
) -> None:
    where = ("-o", with_own_splits / "out", "--data-dir", with_own_splits)
    path = space(with_own_splits, SCANS)
    for done in (cli("plan", path, *where), cli("run", path, *where, "--no-tracking")):
        assert done.exit_code == 2
        said = done.stdout + done.stderr
        assert "test_per_class would leave out its own test split of 100 images" in said
        assert "validation_per_class would leave out its own validation split of 100 images" in said
        assert "expected replace_splits: true in data" in said
    assert not started.trials
    path = space(with_own_splits, REPLACING)
    done = cli("plan", path, *where)
    assert done.exit_code == 0
    drawn = "drawn from the training images (test_per_class) in place of the data set's own split of 100"
    assert f"  test        benign 5, malignant 5: {drawn}" in done.stdout
    run(path, with_own_splits / "out", with_own_splits)
    assert len(started.trials) == 2
    own = SCANS.replace("    validation_per_class: 5\n    test_per_class: 5\n", "")
    done = cli("plan", space(with_own_splits, own), "-o", with_own_splits / "own", *where[2:])
    assert done.exit_code == 0
    assert "  test        benign 60, malignant 40: the data set's own test split" in done.stdout


def test_the_permission_is_no_part_of_a_trial_and_stays_with_its_sweep(
    with_own_splits: Path, started: Started
) -> None:
    refused = load_space(str(space(with_own_splits, SCANS)))
    path = space(with_own_splits, REPLACING)
    allowed = load_space(str(path))
    assert [one.trial_id for one in refused] == [one.trial_id for one in allowed]
    assert [one.model_dump() for one in refused] == [one.model_dump() for one in allowed]
    run(path, with_own_splits / "out", with_own_splits)
    path.unlink()
    sweep = open_sweep("scans", Store(with_own_splits / "out"))
    assert all(task.replace_splits for task in sweep.tasks)


# run, as far as the first trial


@dataclass
class Started:
    """What would have been trained."""

    trials: list[str] = field(default_factory=list)
    options: RunOptions | None = None


@pytest.fixture
def started(in_process: None, monkeypatch: pytest.MonkeyPatch) -> Started:
    """A Ray that is there at once, and trains nothing."""
    found = Started()

    @contextmanager
    def session(options: RunOptions) -> Iterator[dict[str, float]]:
        yield {"CPU": 2.0}

    def admit(work: Work, *more: object) -> tuple[Work, Packing]:
        return work, Packing(1, 0.0, 0, 1, "packed")

    def train(self: Training, packing: Packing) -> None:
        found.trials += self.configs
        found.options = self.options

    monkeypatch.setattr("sweeps.driver.training.ray_session", session)
    monkeypatch.setattr("sweeps.driver.training.admit", admit)
    monkeypatch.setattr(Training, "_train", train)
    return found


def run(path: Path, output: Path, data_dir: Path | None = None, **trial: Any) -> tuple[SweepOutcome, str]:
    console = Console(file=io.StringIO(), width=500)
    options = RunOptions(no_tracking=True, trial=TrialOptions(data_dir=data_dir, **trial))
    outcome = run_sweep(open_sweep(str(path), Store(output)), options, console)
    return outcome, console.file.getvalue()  # type: ignore[attr-defined]


def test_feasible_blocks_run_and_the_others_are_told_and_noted(tmp_path: Path, started: Started) -> None:
    path = space(tmp_path, RATIOS)
    wanted = load_space(str(path)).trials
    impossible = [config for config in wanted if config.data.ratio == 3]
    outcome, text = run(path, tmp_path / "out")
    assert started.trials == [config.trial_id for config in wanted if config.data.ratio == 20]
    assert text.count("cannot be trained: digits 1:3: digits: ratio 1:3 of 451 training negatives") == 1
    assert outcome.plan.counts()["failed"] == 2
    notes = Store(tmp_path / "out").notes
    for config in impossible:
        failure = notes.read_failure(config.trial_id)
        assert failure is not None
        assert failure["message"].startswith("digits: ratio 1:3 of 451")


def test_a_relaunch_tells_again_what_cannot_be_trained_beside_the_results(
    tmp_path: Path, started: Started
) -> None:
    path, store = space(tmp_path, RATIOS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        if config.data.ratio == 20:
            write_trial(store, config)
    outcome, text = run(path, tmp_path / "out")
    assert not started.trials
    assert text.count("cannot be trained: digits 1:3") == 1
    counts = outcome.plan.counts()
    assert (counts["done"], counts["failed"]) == (2, 2)
    note = make_tables(store, outcome.manifest).text
    assert "digits: ratio 1:3 of 451" in " ".join(note.split())


def test_trials_that_failed_before_go_last(tmp_path: Path, started: Started) -> None:
    path = space(tmp_path, RATIOS.replace("[3, 20]", "[10, 20]"))
    first, *others = load_space(str(path)).trials
    Store(tmp_path / "out").notes.write_failure(first.trial_id, {"error": "E", "message": "m"})
    run(path, tmp_path / "out")
    assert started.trials == [*(config.trial_id for config in others), first.trial_id]


def test_data_that_are_not_there_end_a_run_at_once_in_one_line(
    cli: Cli, tmp_path: Path, started: Started
) -> None:
    done = cli("run", "paper-published", "--data-dir", tmp_path / "none", "-o", tmp_path / "out")
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(
        "almsweep: error: paper-published: no trial can be trained: cifar10: expected the folder"
    )
    assert "cifar100" in line
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_images_that_cannot_be_read_are_all_named_before_the_first_trial(
    tmp_path: Path, started: Started
) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    damaged = ("benign/003.png", "malignant/011.png")
    for name in damaged:
        (tmp_path / "scans" / name).write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        run(space(tmp_path, SCANS), tmp_path / "out", tmp_path)
    assert all(name in str(caught.value) for name in damaged)
    assert str(caught.value).count("cannot be read") == 1, "once for all ratios"
    assert not started.trials
    write_scans(tmp_path / "scans", 60, 40)
    outcome, text = run(space(tmp_path, SCANS), tmp_path / "out", tmp_path)
    assert len(started.trials) == len(outcome.plan.trials) == 2
    assert "validation  benign 5, malignant 5: drawn from the training images" in text


# Images that changed between two runs


def test_changed_data_are_refused_with_both_hashes_and_trained_again_when_asked(
    tmp_path: Path, started: Started, cli: Cli
) -> None:
    path, output = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), tmp_path / "out"
    store, wanted = Store(output), load_space(str(path)).trials
    run(path, output)
    write_trial(store, wanted[0])
    started.trials.clear()
    for file in output.glob("trials/*/replicates/*/result.*.json"):
        _rewrite_as_of_other_data(store, file)
    done = cli("run", path, "-o", output, "--no-tracking")
    assert done.exit_code == 2
    assert f"1 trial trained on data {'e' * 64}, now there are data be20c072929d86309d" in done.stderr
    assert f"almsweep retry {path} --changed-data --output {output}" in done.stderr
    assert not started.trials
    write_trial_of_other_data(store, wanted[1])
    with pytest.raises(DataError, match=r"2 trials trained on data e{64}"):
        run(path, output)  # nothing is missing, and they are compared all the same
    console = Console(file=io.StringIO())
    options = RunOptions(no_tracking=True, trial=TrialOptions(changed_data=True))
    run_sweep(open_stored(str(path), store), options, console)
    assert started.trials == [config.trial_id for config in wanted]
    assert started.options is not None
    assert started.options.trial.changed_data


def test_where_nothing_is_to_be_trained_absent_data_are_not_asked_for(
    tmp_path: Path, started: Started
) -> None:
    path, store = space(tmp_path, SCANS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        write_trial(store, config)
    for data_dir in (None, tmp_path / "none"):
        outcome, text = run(path, tmp_path / "out", data_dir)
        assert outcome.plan.counts()["done"] == 2
        assert text == ""
    write_scans(tmp_path / "scans", 60, 40)
    with pytest.raises(DataError, match="the data have changed"):
        run(path, tmp_path / "out", tmp_path)


def _cut_an_image(data_dir: Path) -> None:
    (data_dir / "scans" / "benign" / "003.png").write_bytes(b"no image")


def _lose_a_class(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "scans" / "malignant")


@pytest.mark.parametrize("spoil", [_cut_an_image, _lose_a_class])
def test_data_that_are_there_and_spoilt_are_said_where_nothing_is_to_be_trained(
    tmp_path: Path, started: Started, spoil: Callable[[Path], None]
) -> None:
    """They cannot be those of the results, and nobody can compare them; asked for, it is an error."""
    path, store = space(tmp_path, SCANS), Store(tmp_path / "out")
    for config in load_space(str(path)).trials:
        write_trial(store, config)
    write_scans(tmp_path / "scans", 60, 40)
    spoil(tmp_path)
    outcome, text = run(path, tmp_path / "out", tmp_path)
    assert outcome.plan.counts()["done"] == 2
    (line,) = text.splitlines()
    assert line.startswith("not compared with the data of stored results: scans 1:2")
    with pytest.raises(DataError, match="scans: no trial can be trained: "):
        run(path, tmp_path / "out", tmp_path, changed_data=True)
    assert not started.trials


def test_a_trial_that_ended_on_other_data_is_not_shown_by_train_as_if_it_were_of_these(
    cli: Cli, tmp_path: Path
) -> None:
    path, store = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), Store(tmp_path / "out")
    same, other = load_space(str(path)).trials
    write_trial(store, same)
    write_trial_of_other_data(store, other)
    train = ("train", path, "-o", tmp_path / "out", "--trial")
    assert cli(*train, same.trial_id).exit_code == 0
    done = cli(*train, other.trial_id)
    assert done.exit_code == 2
    assert f"seed 1: trained on data {'e' * 64}, now there are data be20c0" in done.stderr
    assert "--changed-data" in done.stderr


def _rewrite_as_of_other_data(store: Store, file: Path, without: int = 0) -> None:
    """Another hash of the data, and scores without the first examples."""
    trial_id, seed = file.parts[-4], int(file.parts[-2])
    done = store.replicates.ended(trial_id)[seed]
    result = {**store.replicates.read_result(done), "data_sha256": "e" * 64, "preparation": 2}
    store.replicates.write(
        trial_id,
        seed,
        state="completed",
        attempt="fedcba98",
        epochs=store.replicates.read_epochs(done),
        scores=store.replicates.read_scores(done).slice(without),
        result=result,
    )


def write_trial_of_other_data(store: Store, config: Any) -> None:
    write_trial(store, config)
    folder = Path(store.storage.root) / "trials" / config.trial_id
    for file in folder.glob("replicates/*/result.0123abcd.json"):
        _rewrite_as_of_other_data(store, file)


# tables


def test_a_sweep_that_cannot_be_read_keeps_no_other_from_its_table(cli: Cli, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    for name, loss in (("a", "baseline_BCE"), ("b", "baseline_LDAM"), ("c", "baseline_WBCE_1_3")):
        text = RATIOS.replace("ratios", name).replace("[3, 20]", "[20]")
        text = text.replace("[baseline_BCE, baseline_LDAM]", f"[{loss}]")
        sweep = open_sweep(str(space(tmp_path, text)), store)
        write_trial(store, sweep.manifest.trials[0])
        store.write_sweep(sweep.manifest)
    broken = open_stored("b", store).manifest.trials[0].trial_id
    (file,) = (tmp_path / "out" / "trials" / broken).glob("replicates/1/scores.*")
    file.write_bytes(b"damaged")
    done = cli("tables", tmp_path / "out")
    assert done.exit_code == 3
    for name in ("a", "c"):
        assert (tmp_path / "out" / "tables" / name / "best.csv").is_file()
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("almsweep: error: sweep b: ")


@pytest.mark.parametrize("without", [0, 3], ids=["the same examples", "other examples"])
def test_a_table_of_which_half_is_of_other_data_says_how_the_rest_is_trained_again(
    cli: Cli, tmp_path: Path, without: int
) -> None:
    """As `retry --changed-data` leaves it that was killed."""
    path, output = space(tmp_path, RATIOS.replace("[3, 20]", "[20]")), tmp_path / "out"
    store = Store(output)
    sweep = open_sweep(str(path), store)
    store.write_sweep(sweep.manifest)
    for config in sweep.manifest.trials:
        write_trial(store, config)
    (file,) = (output / "trials" / config.trial_id).glob("replicates/*/result.0123abcd.json")
    _rewrite_as_of_other_data(store, file, without)
    done = cli("tables", path, "-o", output)
    assert done.exit_code == 3
    (line,) = done.stderr.strip().splitlines()
    assert "results on different data in one block" in line
    assert "data eeeeeeeeeeee: trials" in line
    assert line.endswith(f"almsweep retry {path} --changed-data --output {output}")
    done = cli("tables", output)
    assert done.stderr.strip().endswith(f"almsweep retry ratios --changed-data --output {output}")


def test_a_table_without_any_result_is_not_printed(cli: Cli, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    store.write_sweep(open_sweep(str(space(tmp_path, RATIOS)), store).manifest)
    done = cli("tables", "ratios", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stdout.strip() == "ratios: no trial has a result yet, so there is no table"


def test_results_that_cannot_be_ranked_are_no_missing_ones(cli: Cli, tmp_path: Path) -> None:
    """Of one class alone no metric is defined: it is said in place of a table."""
    builder = SweepBuilder(tmp_path / "out")
    config = builder.add(trial(Bce(), seeds=(1,)))
    scores = score_table("one class", 1, {"val": 1, "test": 1})
    builder.replicate(config, 1, with_column(scores, "target", [0] * scores.num_rows))
    builder.store.write_sweep(builder.manifest("ended"))
    done = cli("tables", "ended", "-o", tmp_path / "out")
    assert done.exit_code == 1
    (line,) = done.stdout.strip().splitlines()
    assert line == "ended: no trial that ended can be chosen, so there is no table: no result: no positives"


def test_pixels_are_looked_at_in_a_process_of_their_own(tmp_path: Path) -> None:
    write_scans(tmp_path / "scans", 60, 40)
    sweep = open_sweep(str(space(tmp_path, SCANS)), Store(tmp_path / "out"))
    one, other = sweep.tasks
    options = TrialOptions(data_dir=tmp_path)
    found = look_here([one], [other], labels_here(sweep.tasks, options), options)
    assert list(found) == [one, other]
    hashes = {finding.survey.sha256 for finding in found.values() if finding.survey is not None}
    assert len(hashes) == 1
    assert None not in hashes


def test_a_look_at_the_data_starts_nothing_where_labels_leave_no_hope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*request: object) -> dict[str, object]:
        raise AssertionError(json.dumps(list(map(str, request))))

    monkeypatch.setattr("sweeps.driver.survey.ask", ask)
    sweep = open_sweep(str(space(tmp_path, RATIOS.replace("[3, 20]", "[3]"))), Store(tmp_path / "out"))
    data = RunData(sweep, RunOptions(), Console(file=io.StringIO()))
    with pytest.raises(DataError, match="ratios: no trial can be trained: digits: ratio 1:3"):
        data.check_hope(())


def test_data_without_validation_say_so(cli: Cli, tmp_path: Path) -> None:
    text = """
name: whole
fixed:
  data: {source: {name: digits}, negative: [1, 2], positive: [8], validation_per_class: 0, test_per_class: 20}
  patience: null
  scored: last
  seeds: [1]
grid: {loss: [baseline_BCE]}
"""
    done = cli("plan", space(tmp_path, text), "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "validation  none, so nothing is selected by it (validation_per_class 0)" in done.output
