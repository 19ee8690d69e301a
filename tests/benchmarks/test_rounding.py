"""The rounding benchmark: one unit in the last place and nothing else; its figures by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from benchmarks.rounding import main
from benchmarks.rounding_figures import figures, scores_of
from benchmarks.rounding_runs import Curve, Job, round_up, train
from search_spaces.catalog import load_space
from search_spaces.config import SCORED_EPOCHS, ScoredBy, TrialConfig
from trainer.options import TrialOptions
from trainer.store import Store
from trainer.trial import run_trial

SPACE = """
name: small
fixed: {dataset: digits-critical, ratio: 40, seeds: [1, 2], epochs: 2, model.width: 2, loss: baseline_BCE}
grid: {alm: [none, ALM_14_beg, ALM_16_beg]}
"""
LABELS = np.array([1, 0, 1, 0], np.uint8)


@pytest.fixture
def space(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(SPACE)
    return str(path)


def curve(config: TrialConfig, rounding: int, rows: list[list[float]], seed: int = 1) -> Curve:
    """A curve whose validation and test scores are the same rows, an epoch each."""
    scores = np.array(rows, np.float32)
    auroc = np.array([0.5, 0.9, 0.9, 0.7])[: len(rows)]
    loss = np.array([1.0, 0.9, 0.8, 0.1])[: len(rows)]
    return Curve(config.trial_id, seed, rounding, scores, scores, auroc, loss, np.zeros(1, np.float32))


def test_weights_move_up_by_one_unit_in_the_last_place_or_not_at_all() -> None:
    model, same = torch.nn.Linear(50, 40), torch.nn.Linear(50, 40)
    same.load_state_dict(model.state_dict())
    round_up(model, seed=1, rounding=1)
    for before, after in zip(same.parameters(), model.parameters(), strict=True):
        above = torch.nextafter(before, torch.full_like(before, torch.inf))
        moved = after == above
        assert torch.equal(torch.where(moved, above, before), after)
    weight = next(iter(same.parameters()))
    share = (next(iter(model.parameters())) != weight).float().mean()
    assert 0.45 < float(share) < 0.55


def test_rounding_0_is_the_product_and_other_roundings_repeat_themselves(space: str) -> None:
    config = load_space(space).trials[0]
    job = Job(config.model_dump_json(), 1, (0, 1, 1, 2), None, threads=1)
    plain, once, again, other = train(job)
    assert np.array_equal(once.test, again.test)
    assert not np.array_equal(once.weights, other.weights)
    assert np.abs(once.test[0] - plain.test[0]).max() < 0.1, "one epoch amplifies little"
    assert plain.test.shape == (2, 600)


def test_the_four_options_average_the_epochs_that_they_name(space: str) -> None:
    config = load_space(space).trials[0]
    one = curve(config, 0, [[0, 0, 0, 0], [4, 0, 0, 0], [1, 0, 0, 0], [7, 0, 0, 0]])
    # Epochs 1 and 2 tie in AUROC, and 2 has the lower loss.
    expected = {"best_epoch": 1.0, "last": 7.0, "mean_of_last_3": 4.0, "mean_of_best_3": 4.0}
    assert {name: float(scores_of(one, name)[1][0]) for name in SCORED_EPOCHS} == expected
    short = curve(config, 0, [[2, 0, 0, 0], [4, 0, 0, 0]])
    assert float(scores_of(short, "mean_of_last_3")[0][0]) == 3.0


def test_figures_by_hand(space: str) -> None:
    configs = load_space(space).trials
    constrained = [config for config in configs if config.constraint is not None]
    good, bad = [[4, 1, 3, 2]], [[1, 2, 3, 4]]  # AUROC 1 and 0.5 - 0.25
    choices = {constrained[0].trial_id: [good, good, bad], constrained[1].trial_id: [bad, bad, good]}
    curves = []
    for config in configs:
        for rounding, rows in enumerate(choices.get(config.trial_id, [good] * 3)):
            for seed in (1, 2):
                curves.append(curve(config, rounding, rows, seed))
    targets = {config.trial_id: (LABELS, LABELS) for config in configs}
    found = figures(configs, curves, targets, "last")
    assert found.auroc == pytest.approx((6 * 1 + 3 * 0.25) / 9)
    deviation = float(np.std([1, 1, 0.25], ddof=1))
    assert found.auroc_deviation == pytest.approx((0 + 2 * deviation) / 3)
    assert found.cells == 1
    assert found.same_choice == pytest.approx(1 / 3), "of three pairs of roundings one agrees"
    assert (found.over_seeds, found.over_roundings) == (0, pytest.approx(2 * deviation / 3))
    assert (found.equal, found.replicates) == (4 + 2 + 2, 12)
    assert (found.difference, found.largest) == (3, 4)


def test_the_command_prints_a_table_and_compares_two_machines(
    space: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "here.npz"
    common = ["--space", space, "--processes", "1"]
    assert main([*common, "--roundings", "1", "--save", str(saved)]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in SCORED_EPOCHS)
    assert "of 6 rounded replicates equal the unrounded one." in printed
    assert main([*common, "--against", str(saved)]) == 0
    printed = capsys.readouterr().out
    assert "6 of 6 replicates equal; test scores up to 0 apart" in printed
    assert "The same weights, scored here and there: up to 0 apart." in printed


def test_bad_input_is_one_line(space: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.npz").write_text("nothing")
    for arguments, told in (
        (["--space", "nosuch"], "unknown search space 'nosuch'"),
        (["--space", space, "--against", str(tmp_path / "no.npz")], "expected a file that --save wrote"),
    ):
        assert main(arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line


@pytest.mark.parametrize("option", SCORED_EPOCHS)
def test_each_option_gives_the_products_own_scores(space: str, tmp_path: Path, option: ScoredBy) -> None:
    config = load_space(space).trials[0].model_copy(update={"scored": option, "epochs": 4, "seeds": (1,)})
    (made,) = train(Job(config.model_dump_json(), 1, (0,), None, threads=torch.get_num_threads()))
    store = Store(tmp_path / "output")
    run_trial(config, store, torch.device("cpu"), TrialOptions())
    stored = store.replicates.read_scores(store.replicates.ended(config.trial_id)[1])
    for split, scores in zip(("val", "test"), scores_of(made, option), strict=True):
        rows = stored.filter(pc.equal(stored["split"], split))
        assert rows["score"].to_numpy() == pytest.approx(scores, abs=1e-6)
