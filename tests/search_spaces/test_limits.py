"""Numbers beyond what anybody means, and files that are none, are one line each; nothing waits for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from search_spaces.errors import SpaceError
from search_spaces.yaml.space import read_space

InProcess = Callable[..., Result]
HUGE = "9" * 400
FIXED = "dataset: digits, loss: baseline_BCE"
RANDOM = "random: {samples: 2, domains: {delta: {uniform: [0, 1]}}}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("seeds: [4294967296]", "fixed.seeds[0]: expected a number of at most 4294967295, given 4294967296"),
        (f"epochs: {HUGE}", "fixed.epochs: expected a number of at most 1000000, given 999"),
        ("batch_size: 1000000000000000000", "fixed.batch_size: expected a number of at most 1000000"),
        ("optimizer.learning_rate: 1e308", "fixed.optimizer.learning_rate: expected a number of at most"),
        (f"optimizer.learning_rate: {HUGE}", "fixed.optimizer.learning_rate: expected a number, given 999"),
        ("optimizer.weight_decay: 1e308", "fixed.optimizer.weight_decay: expected a number of at most"),
        ("alm: {penalty: 1e308, growth: 2}, delta: 0.1", "penalty: expected a number of at most"),
        ("alm: {penalty: 1e-4, growth: 1e308}, delta: 0.1", "growth: expected a number of at most"),
        ("alm: ALM_14_beg, delta: 1e308", "fixed.delta: expected a number of at most"),
    ],
)
def test_a_number_that_nobody_means(keys: str, said: str, tmp_path: Path) -> None:
    check(f"fixed: {{{FIXED}, {keys}}}\n", said, tmp_path)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (RANDOM.replace("2", HUGE, 1), "random.samples: expected a whole number of at most 1,000,000"),
        (RANDOM.replace("2", f"2, seed: {HUGE}", 1), "random.seed: expected a whole number of at most 4,294"),
        (RANDOM.replace("1", HUGE), "random.domains.delta.uniform: expected two finite numbers"),
        (f"tpr_targets: [{HUGE}]", "tpr_targets[0]: expected a number, given 999"),
    ],
)
def test_a_draw_that_nobody_means(block: str, said: str, tmp_path: Path) -> None:
    check(f"fixed: {{{FIXED}, alm: ALM_14_beg}}\n{block}\n", said, tmp_path)


def check(text: str, said: str, folder: Path) -> None:
    """Such a file is refused in one line, which says that."""
    path = folder / "space.yaml"
    path.write_text(text)
    with pytest.raises(SpaceError) as refused:
        read_space(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_the_limits_themselves_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(f"fixed: {{{FIXED}, seeds: [4294967295, 0], epochs: 1000000, batch_size: 1000000}}\n")
    (trial,) = read_space(path).trials
    assert (trial.seeds, trial.epochs) == ((4294967295, 0), 1_000_000)


@pytest.mark.parametrize(
    "option", [("--replicates", 10**8), ("--num-samples", 10**300), ("--seed", 2**64)], ids=lambda o: o[0]
)
def test_an_option_that_nobody_means(option: tuple[str, int], cli: InProcess, tmp_path: Path) -> None:
    done = cli("run", "demo", *option, "--output", tmp_path)
    assert done.exit_code == 2
    assert option[0] in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_is_no_file(kind: str, tmp_path: Path) -> None:
    """Nobody writes into it: reading it would wait for ever."""
    path = tmp_path / "space.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(SpaceError, match="expected a file, given a pipe, a socket or a device"):
        read_space(path)
