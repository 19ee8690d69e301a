"""Spaces in YAML: what they hold, and one clear line for everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_spaces.catalog import load_space
from search_spaces.config import Sgd
from search_spaces.errors import SpaceError
from search_spaces.labels import trial_label
from search_spaces.longtail.named import OTHER_NAMES
from search_spaces.paper.named import LOSSES
from search_spaces.presets import PRESETS
from search_spaces.settings import LOSS_NAMES
from search_spaces.space import SearchSpace, product

EXAMPLE = """
name: cifar-margins
description: Margins on CIFAR-10
fixed:
  dataset: cifar10
  ratio: 100
  seeds: [1, 2, 3]
choices:
  - {model.width: 16, epochs: 20}
  - {model.width: 64, epochs: 100}
grid:
  loss: [baseline_BCE, baseline_s_LM_m05, {name: s_lm, margin: 3}]
  constraint: [none, ALM_16_beg]
  delta: [0.1, 0.25]
random:
  samples: 5
  seed: 1
  domains:
    optimizer.learning_rate: {log_uniform: [1e-3, 1e-1]}
"""

KNOWN_LOSSES = ", ".join([*LOSSES, *LOSS_NAMES, *OTHER_NAMES])
PRESET_NAMES = ", ".join(PRESETS)
BASE = "fixed: {dataset: digits, loss: baseline_BCE}\n"


def read(folder: Path, text: str, name: str = "space.yaml") -> SearchSpace:
    path = folder / name
    path.write_text(text)
    return load_space(str(path))


def test_the_example_of_the_docstring(tmp_path: Path) -> None:
    import search_spaces.yaml.space

    lines = [line.partition("#")[0].split() for line in EXAMPLE.splitlines() if line]
    documented = [
        line.partition("#")[0].split() for line in (search_spaces.yaml.space.__doc__ or "").splitlines()
    ]
    start = documented.index(lines[0])
    assert documented[start : start + len(lines)] == lines


def test_the_example(tmp_path: Path) -> None:
    space = read(tmp_path, EXAMPLE)
    assert (space.name, space.description) == ("cifar-margins", "Margins on CIFAR-10")
    assert len(space) == 2 * 3 * (1 + 2) * 5
    assert {trial.seeds for trial in space} == {(1, 2, 3)}
    rates = {trial.optimizer.learning_rate for trial in space}
    assert len(rates) == 5
    assert all(1e-3 <= rate <= 1e-1 for rate in rates)
    models = {(dict(trial.model)["width"], trial.epochs) for trial in space}
    assert models == {(16, 20), (64, 100)}


def test_yaml_and_python_give_the_same_trials(tmp_path: Path) -> None:
    text = "fixed: {dataset: cifar100, ratio: 200}\ngrid: {loss: [%s], alm: [ALM_12_beg], delta: [0, 1]}"
    settings = product(
        {"dataset": ["cifar100"], "ratio": [200]},
        {"loss": list(LOSSES), "alm": ["ALM_12_beg"], "delta": [0, 1]},
    )
    ours = read(tmp_path, text % ", ".join(LOSSES))
    assert ours.trials == SearchSpace.of("space", settings).trials
    assert ours.name == "space"


def test_a_larger_sample_begins_with_the_smaller(tmp_path: Path) -> None:
    domains = "domains: {optimizer.momentum: {uniform: [0.1, 0.9]}, epochs: {int_uniform: [1, 1000]}}"
    small = read(tmp_path, BASE + f"random: {{samples: 3, seed: 7, {domains}}}")
    large = read(tmp_path, BASE + f"random: {{samples: 9, seed: 7, {domains}}}")
    other = read(tmp_path, BASE + f"random: {{samples: 3, seed: 8, {domains}}}")
    assert large.trials[:3] == small.trials
    assert not set(small.trials) & set(other.trials)


def test_draws_below_no_constraint_are_one_trial(tmp_path: Path) -> None:
    text = "grid: {constraint: [none, ALM_12_beg]}\nrandom: {samples: 4, domains: {delta: {uniform: [0, 1]}}}"
    assert len(read(tmp_path, BASE + text)) == 1 + 4


def test_data_in_full(tmp_path: Path) -> None:
    text = """
fixed:
  data:
    source: {name: folder, folder: scans, size: 48}
    negative: [benign, normal]
    positive: [malignant]
    validation_per_class: 10
    test_per_class: 10
  loss: baseline_bce
  optimizer.learning_rate: 1e-3
"""
    (trial,) = read(tmp_path, text)
    assert trial_label(trial).startswith("scans all data (malignant vs benign, normal) ")
    assert trial.optimizer == Sgd(learning_rate=1e-3)


KEYS = "name, description, tpr_targets, fpr_targets, rows, fixed, choices, grid, random, search"
FIRST_LEVEL = (
    "dataset, ratio, alm, delta, data, model, loss, constraint, sampler, augmentation, optimizer, epochs, "
    "patience, scored, batch_size, precision, seeds"
)
SGD_KEYS = "decay, learning_rate, milestones, momentum, name, nesterov, schedule, warmup_epochs, weight_decay"
BROKEN = {
    "empty file": ("", f"expected a mapping with some of {KEYS}, given nothing"),
    "not a mapping": ("- 1", f"expected a mapping with some of {KEYS}, given [1]"),
    "syntax": (
        "fixed: {a",
        "line 1, column 10: expected valid YAML, given a fault (expected ',' or '}', but got '<stream end>')",
    ),
    "unknown block": ("fixd: {}", f'fixd: expected a known key ({KEYS}), given "fixd"; did you mean fixed?'),
    "unknown key": (
        "fixed: {epoch: 3}",
        f'fixed.epoch: expected a known key ({FIRST_LEVEL}), given "epoch"; did you mean epochs?',
    ),
    "unknown field": (
        "grid: {optimizer.lr: [1]}",
        "grid.optimizer.lr: expected a known key "
        f'({", ".join("optimizer." + k for k in SGD_KEYS.split(", "))}), given "optimizer.lr"; '
        "did you mean optimizer.learning_rate?",
    ),
    "key twice": (
        "fixed: {epochs: 1, epochs: 2}",
        "fixed.epochs: expected every key once, given again on line 1",
    ),
    "key in two blocks": (
        BASE + "grid: {loss: [baseline_LDAM]}",
        "grid.loss: expected every key once, given also as fixed.loss",
    ),
    "key in two spellings": (
        BASE + "choices: [{delta: 0, constraint.margin: 1}]",
        "choices[0].constraint.margin: expected every key once, given also as choices[0].delta",
    ),
    "empty block": ("fixed: {}", "fixed: expected a mapping of at least one key, given {}"),
    "block without content": ("grid:", "grid: expected a mapping of at least one key, given nothing"),
    "empty axis": (
        BASE + "grid: {epochs: []}",
        "grid.epochs: expected a list of at least one value, given []",
    ),
    "axis is no list": (
        BASE + "grid: {epochs: 3}",
        "grid.epochs: expected a list of at least one value, given 3",
    ),
    "duplicate value": (
        "grid: {loss: [baseline_BCE, BASELINE_bce]}",
        'grid.loss[1]: expected a value other than that of grid.loss[0], given "BASELINE_bce"',
    ),
    "duplicate choice": (
        BASE + "choices: [{epochs: 1}, {epochs: 1}]",
        'choices[1]: expected a value other than that of choices[0], given {"epochs": 1}',
    ),
    "unknown loss": (
        "fixed: {dataset: digits}\ngrid: {loss: [baseline_BCE, bec]}",
        f'grid.loss[1]: expected a known name ({KNOWN_LOSSES}), given "bec"; did you mean bce?',
    ),
    "unknown data set": (
        "fixed: {dataset: mnist, loss: baseline_BCE}",
        f'fixed.dataset: expected one of {", ".join(PRESETS)}, given "mnist"',
    ),
    "no data set": (
        "fixed: {loss: baseline_BCE}",
        f"dataset: expected one of {', '.join(PRESETS)} (or data, a mapping), given nothing",
    ),
    "no loss": ("fixed: {dataset: digits}", "loss: expected a loss (a name or a mapping), given nothing"),
    "wrong type": (
        BASE + "grid: {epochs: [1, '2']}",
        'grid.epochs[1]: expected a whole number, given "2"',
    ),
    "sexagesimal ratio": (BASE + "grid: {ratio: [1:20]}", 'grid.ratio[0]: expected a number, given "1:20"'),
    "impossible value": (
        BASE + "grid: {optimizer.learning_rate: [1e-3, -1]}",
        "grid.optimizer.learning_rate[1]: expected a number above 0, given -1",
    ),
    "impossible in a mapping": (
        "fixed: {dataset: digits, loss: {name: s_lm, margin: 0}}",
        "fixed.loss.margin: expected a number above 0, given 0",
    ),
    "missing in a mapping": (
        "fixed: {dataset: digits, loss: {name: s_lm}}",
        "fixed.loss.margin: expected a value, given nothing",
    ),
    "unknown in a mapping": (
        "fixed: {dataset: digits, loss: {name: s_lm, margin: 1, m: 1}}",
        'fixed.loss.m: expected a known key (name, margin), given "m"; did you mean margin?',
    ),
    "the paper's letter for a key": (
        BASE + "grid: {alm: [{mu: 1.0e-4}]}",
        "grid.alm[0].mu: expected a known key (penalty, growth, margin, introduce_at, growth_rule, "
        'max_growth_steps, comparison), given "mu"; did you mean penalty?',
    ),
    "a list under fixed": (
        "fixed: {dataset: digits, loss: [baseline_BCE, baseline_LDAM]}",
        'fixed.loss: expected a name or a mapping, given ["baseline_BCE", "baseline_LDAM"]; '
        "a list of values, each for trials of its own, goes under grid",
    ),
    "a list in choices": (
        BASE + "choices: [{epochs: [1, 2]}]",
        "choices[0].epochs: expected a whole number, given [1, 2]; "
        "a list of values, each for trials of its own, goes under grid",
    ),
    "several presets under fixed": (
        "fixed: {dataset: [digits, cifar10], loss: bce}",
        f'fixed.dataset: expected one of {PRESET_NAMES}, given ["digits", "cifar10"]; '
        "a list of values, each for trials of its own, goes under grid",
    ),
    "a preset as data": (
        "fixed: {data: cifar10, loss: bce}",
        'fixed.data: expected a mapping, given "cifar10"; the name of a preset goes under dataset',
    ),
    "a misspelled preset": (
        "fixed: {dataset: cifar-10, loss: bce}",
        f'fixed.dataset: expected one of {PRESET_NAMES}, given "cifar-10"; did you mean cifar10?',
    ),
    "a misspelled choice": (
        BASE + "grid: {sampler: [shufle]}",
        "grid.sampler[0]: expected 'shuffle', 'class_balanced', 'square_root' or 'progressive' or a mapping, "
        'given "shufle"; did you mean shuffle?',
    ),
    "a power that is too high": (
        BASE + "choices: [{sampler: {exponent: 2}}]",
        "choices[0].sampler.exponent: expected a number below 1, given 2",
    ),
    "a key that no power has": (
        BASE + "choices: [{sampler: {exponent: 0.3, base: 1}}]",
        'choices[0].sampler.base: expected a known key (exponent), given "base"',
    ),
    "a resampling that is none": (
        BASE + "grid: {sampler: [{resample: ml_ross}]}",
        "grid.sampler[0].resample: expected 'lp_ros', 'ml_ros', 'ml_rus' or 'single_label', "
        'given "ml_ross"; did you mean ml_ros?',
    ),
    "a resampling that leaves nothing": (
        BASE + "grid: {sampler: [{resample: ml_rus, share: 2}]}",
        "grid.sampler[0]: expected a share below 1 with resample ml_rus, given 2",
    ),
    "a sampler that says nothing": (
        BASE + "grid: {sampler: [{}]}",
        "grid.sampler[0].exponent: expected a value, given nothing (and 1 more)",
    ),
    "a part of a long tail of unknown classes": (
        "fixed: {loss: cross_entropy, data: {task: multiclass, source: {name: folder, folder: a}, "
        "classes: [b, c], critical: [c], imbalance: {profile: cui, factor: 10}}}",
        "fixed.data.imbalance.profile: expected exponential or step, as folder does not tell its classes "
        "beforehand, given cui",
    ),
    "a class that a known long tail has not": (
        "fixed: {loss: cross_entropy, data: {task: multiclass, source: {name: digits}, "
        "classes: [1, 77], critical: [1], imbalance: {profile: cui, factor: 10}}}",
        "fixed.data.classes: expected those of digits beside profile cui, given [77]",
    ),
    "unknown type of a part": (
        BASE + "grid: {model: [resnet11]}",
        "grid.model[0].name: expected one of resnet10, small_cnn, resnet32, resnet18, resnet50, "
        'densenet121, efficientnet_b0, convnext_tiny, given "resnet11"; did you mean resnet18 or resnet10?',
    ),
    "part without a type": (
        BASE + "choices: [{optimizer: {learning_rate: 1}}]",
        "choices[0].optimizer.name: expected one of sgd, adam, given nothing",
    ),
    "several faults": (
        BASE + "choices: [{batch_size: 1, epochs: 0}]",
        "choices[0].epochs: expected a number of at least 1, given 0 (and 1 more)",
    ),
    "infinite": (
        BASE + "choices: [{ratio: .inf}]",
        "choices[0].ratio: expected a finite number, given Infinity",
    ),
    "class in two roles": (
        BASE + "choices: [{data.negative: [8]}]",
        "choices[0].data.negative: expected every class in one role and once, "
        "given negative=[8] positive=[8]",
    ),
    "seeds twice": (
        BASE + "choices: [{seeds: [1, 1]}]",
        "choices[0].seeds: expected distinct seeds, given [1, 1]",
    ),
    "delta alone": (
        BASE + "grid: {delta: [0.1]}",
        "grid.delta[0]: expected a constraint beside it (a name, none, or a mapping), given nothing",
    ),
    "data set twice": (
        BASE + "choices: [{data: {source: {name: digits}, negative: [1], positive: [2]}}]",
        "choices[0].data: expected either dataset or data, given both",
    ),
    "name": (
        BASE + "name: ../x",
        "name: expected letters, digits and _ . - only, a letter or digit first, "
        'at most 100 characters, given "../x"',
    ),
    "name without quotes": (
        BASE + "name: 2024",
        "name: expected letters, digits and _ . - only, a letter or digit first, "
        "at most 100 characters, given 2024; in quotes it is text",
    ),
    "label without quotes": (
        "fixed: {data: {source: {name: digits}, negative: [1.0], positive: [2]}}",
        "fixed.data.negative[0]: expected a whole number or text, given 1.0; in quotes it is text",
    ),
    "yes for true": (
        "fixed: {data: {source: {name: digits}, negative: [1], positive: [2], replace_splits: yes}}",
        'fixed.data.replace_splits: expected true or false, given "yes"',
    ),
    "description": (BASE + "description: 3", "description: expected text, given 3"),
    "samples": (
        BASE + "random: {domains: {epochs: {int_uniform: [1, 2]}}}",
        "random.samples: expected a whole number of at least 1, given nothing",
    ),
    "no domains": (
        BASE + "random: {samples: 1}",
        "random.domains: expected a mapping of at least one key, given nothing",
    ),
    "domain": (
        BASE + "random: {samples: 1, domains: {epochs: {int_uniform: [2, 1]}}}",
        "random.domains.epochs.int_uniform: expected two whole numbers [low, high], "
        "low below high, given [2, 1]",
    ),
    "end of a domain": (
        BASE + "random: {samples: 1, domains: {optimizer.momentum: {uniform: [0, 1]}}}",
        "random.domains.optimizer.momentum: expected a number below 1, given 1.0",
    ),
    "option of a domain": (
        "fixed: {dataset: digits}\nrandom: {samples: 1, domains: {loss: {choice: [baseline_BCE, 3]}}}",
        "random.domains.loss: expected a name or a mapping, given 3",
    ),
    "too many": (
        BASE + "random: {samples: 1000001, domains: {epochs: {int_uniform: [1, 2]}}}",
        "random.samples: expected a whole number of at most 1,000,000, given 1000001",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file_is_one_clear_line(tmp_path: Path, case: str) -> None:
    text, message = BROKEN[case]
    with pytest.raises(SpaceError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'space.yaml'}: {message}"
    assert caught.value.exit_code == 2


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    assert str(caught.value) == f"{path}: expected a readable file, given No such file or directory"


def test_a_file_name_that_names_no_space(tmp_path: Path) -> None:
    with pytest.raises(
        SpaceError,
        match=r'my space\.yaml: name: expected letters.*, given "my space"; that is the file\'s own name: ',
    ):
        read(tmp_path, BASE, "my space.yaml")
