"""Losses, models, sources and augmentations that other packages bring."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.config import LOSS_TYPES, MODEL_TYPES, TrialConfig, check_installed, members_of
from search_spaces.errors import InputError, SpaceError
from search_spaces.labels import block_label, settings_label, trial_label
from search_spaces.rows import row_label
from search_spaces.yaml.space import read_space
from tests.plugins import install, on_path, write_distribution

SPACE = """
fixed:
  data:
    source: {name: stripes, examples: 300}
    negative: [0]
    positive: [1]
    imbalance_ratio: 5
    validation_per_class: 20
    test_per_class: 30
  model: {name: patches, depth: 4}
  augmentation: {crop_padding: 1, then: [{name: darken, most: 0.25}]}
  epochs: 2
  seeds: [1]
grid:
  loss: [baseline_BCE, {name: squared, temperature: 2}]
  model.depth: [4, 6]
"""
OF_A_LOSS = "fixed: {dataset: digits}\ngrid: {loss: [{name: %s}]}\n"


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    """The example plug-in is installed."""
    with on_path(install(tmp_path / "installed")):
        yield


def trials(tmp_path: Path, text: str = SPACE) -> tuple[TrialConfig, ...]:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return tuple(read_space(path))


def packages(trial: TrialConfig) -> list[str | None]:
    return [None if member.plugin is None else member.plugin.package for member in members_of(trial)]


@pytest.mark.usefixtures("plugin")
def test_in_a_space_it_looks_like_our_own(tmp_path: Path) -> None:
    found = trials(tmp_path)
    assert [row_label(trial) for trial in found] == ["BCE", "BCE", "Squared", "Squared"]
    assert [trial.model.model_dump()["depth"] for trial in found] == [4, 6, 4, 6]
    assert [member.name for member in members_of(found[-1])] == ["stripes", "patches", "squared", "darken"]
    assert packages(found[-1]) == ["almsweep-example==1.2"] * 4
    assert TrialConfig.model_validate_json(found[-1].model_dump_json()) == found[-1]


@pytest.mark.usefixtures("plugin")
def test_made_in_python_it_is_the_same(tmp_path: Path) -> None:
    types = importlib.import_module("almsweep_example.config")
    from_space = trials(tmp_path)[-1]
    parts = {"loss": types.Squared(temperature=2), "model": types.Patches(depth=6)}
    made = TrialConfig(**{**dict(from_space), **parts})
    assert made == from_space
    assert made.trial_id == from_space.trial_id


def test_its_version_is_part_of_the_identity(tmp_path: Path) -> None:
    ids = set()
    for version in ("1.2", "1.3"):
        with on_path(install(tmp_path / version, version=version)):
            found = trials(tmp_path)[-1]
            assert f'"package":"almsweep-example=={version}"' in found.identity()
            ids.add(found.trial_id)
    assert len(ids) == 2


def told(trial: TrialConfig) -> list[Any]:
    """All that tables, status and reconcile ask of a configuration."""
    labels = [block_label(trial.data), row_label(trial), settings_label(trial), trial_label(trial)]
    facts = [trial.loss.decides_at_zero, trial.data.source.title]
    return [trial.trial_id, trial.model_dump_json(), *labels, *facts]


def test_without_it_a_stored_trial_reads_the_same(tmp_path: Path) -> None:
    with on_path(install(tmp_path / "installed")):
        found = trials(tmp_path)
        expected = [told(trial) for trial in found]
        texts = [trial.model_dump_json() for trial in found]
    assert [told(TrialConfig.model_validate_json(text)) for text in texts] == expected
    with on_path(install(tmp_path / "newer", version="1.3")):
        assert [told(TrialConfig.model_validate_json(text)) for text in texts] == expected


def test_without_it_nothing_can_be_trained(tmp_path: Path) -> None:
    with on_path(install(tmp_path / "installed")):
        text = trials(tmp_path)[-1].model_dump_json()
    trial = TrialConfig.model_validate_json(text)
    lack = "expected the plug-in almsweep-example==1.2"
    with pytest.raises(InputError, match=f"loss 'squared': {lack}, which is not installed"):
        check_installed(trial)
    with pytest.raises(InputError, match=f"model 'patches': {lack}, which is not installed"):
        trial.model.weight_count(channels=1, image_size=8, outputs=1, head="linear")
    with on_path(install(tmp_path / "newer", version="1.3")):
        trial = TrialConfig.model_validate_json(text)
        with pytest.raises(InputError, match=f"loss 'squared': {lack}, found almsweep-example==1.3"):
            check_installed((trial,))


@pytest.mark.usefixtures("plugin")
def test_a_space_may_ask_for_a_version(tmp_path: Path) -> None:
    asked = SPACE.replace("temperature: 2", "temperature: 2, plugin: {package: almsweep-example==%s}")
    assert trials(tmp_path, asked % "1.2") == trials(tmp_path)
    with pytest.raises(InputError, match=r"plug-in almsweep-example==1.1, found almsweep-example==1.2"):
        check_installed(trials(tmp_path, asked % "1.1"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("temperature: 2", "temperature: -2", r"loss\[1\].temperature: expected a number above 0, given -2"),
        (
            "temperature: 2",
            "heat: 2",
            r"heat: expected a known key \(name, temperature, factor\), given",
        ),
        (
            "squared",
            "square",
            r"loss\[1\].name: expected one of bce, .*, cross_entropy, .*, squared, given \"square\"",
        ),
        ("model.depth", "model.deep", r"expected a known key \(.*model.depth.*\), given \"model.deep\""),
        ("most: 0.25", "most: 2", r"augmentation.then\[0\].most: expected a number of at most 1, given 2"),
        ("most:", "least:", r"then\[0\].least: expected a known key \(name, most\), given \"least\""),
    ],
)
def test_errors_in_a_space_are_those_of_our_own(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        trials(tmp_path, SPACE.replace(old, new))


@pytest.mark.parametrize(
    ("line", "attribute", "fault"),
    [
        ("import does_not_exist", "Loss", "ModuleNotFoundError: No module named 'does_not_exist'"),
        ("", "Nothing", "AttributeError: .* has no attribute 'Nothing'"),
        ("Loss = 3", "Loss", "3 is no subclass of search_spaces.config.Loss"),
        ("", "Loss", "Bce has the name 'bce'"),
        ("class Bad(Base):\n    name: str = 'bad'", "Bad", "Bad lacks implementation, family"),
    ],
)
def test_a_bad_one_harms_nobody_but_who_says_its_name(
    line: str, attribute: str, fault: str, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    imports = "from search_spaces.config import Bce as Loss, Loss as Base\n"
    (folder / "bad_module.py").write_text(f"{imports}{line}\n")
    write_distribution(folder, "bad", "0.1", {"almsweep.losses": {"bad": f"bad_module:{attribute}"}})
    entry_point = "entry point bad of almsweep.losses in bad==0.1"
    with on_path(folder):
        assert len(trials(tmp_path, OF_A_LOSS % "bce")) == 1
        with pytest.raises(SpaceError, match=rf"grid.loss\[0\]: .*{entry_point}, given none: {fault}"):
            trials(tmp_path, OF_A_LOSS % "bad")
        assert [str(offer) for offer, said in LOSS_TYPES.offered() if said] == [entry_point]
        assert LOSS_TYPES.plugins() == []


@pytest.mark.usefixtures("plugin")
def test_its_bare_name_is_enough_as_ours_is(tmp_path: Path) -> None:
    (short,) = trials(tmp_path, "fixed: {dataset: digits, loss: squared}\n")
    (long,) = trials(tmp_path, "fixed: {dataset: digits, loss: {name: squared}}\n")
    assert short == long


def test_a_package_that_ends_the_program_is_one_clear_line(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "leaver.py").write_text("import sys\nsys.exit(3)\n")
    write_distribution(folder, "leaver", "1", {"almsweep.losses": {"left": "leaver:Loss"}})
    with (
        on_path(folder),
        pytest.raises(SpaceError, match=r"left of almsweep.losses in leaver==1.*SystemExit"),
    ):
        trials(tmp_path, OF_A_LOSS % "left")


def test_ours_keep_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "taker.py").write_text("from search_spaces.config import Bce\n\nclass Mine(Bce):\n    pass\n")
    write_distribution(folder, "taker", "1", {"almsweep.losses": {"bce": "taker:Mine"}})
    with on_path(folder):
        (trial,) = trials(tmp_path, OF_A_LOSS % "bce")
        assert trial.loss.plugin is None
        ((_, fault),) = LOSS_TYPES.offered()
        assert fault == "search_spaces's own Bce has that name"


def test_of_two_that_bring_one_name_neither_is_taken(tmp_path: Path) -> None:
    folder = install(tmp_path / "installed")
    losses = {"squared": "almsweep_example.config:Squared"}
    write_distribution(folder, "copy", "9", {"almsweep.losses": losses})
    with on_path(folder), pytest.raises(SpaceError, match=r"given none: (copy==9|almsweep-example==1.2) br"):
        trials(tmp_path)


def run_python(program: str, folder: Path) -> str:
    """What a program prints in a new process that finds what is installed in a folder."""
    root = Path(__file__).parents[3]
    environment = {"PYTHONPATH": f"{folder}:{root}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OF_ALL = """
import sys
from search_spaces.config import REGISTRIES
for registry in REGISTRIES:
    assert len(registry.plugins()) == 1, list(registry.offered())
assert "torch" not in sys.modules
"""


def test_configuration_types_need_no_torch(tmp_path: Path) -> None:
    folder = install(tmp_path / "installed")
    assert run_python(OF_ALL, folder) == ""


def test_one_that_imports_torch_is_refused(tmp_path: Path) -> None:
    folder = install(tmp_path / "installed")
    (folder / "heavy.py").write_text("import torch\nfrom search_spaces.config import Bce\n")
    write_distribution(folder, "heavy", "1", {"almsweep.losses": {"heavy": "heavy:Bce"}})
    program = "from search_spaces.config import LOSS_TYPES\nprint(list(LOSS_TYPES.offered())[-1][1])"
    assert run_python(program, folder).startswith("its import imports torch")


def test_nothing_is_imported_before_its_name_is_said(tmp_path: Path) -> None:
    program = """
import sys
import sweeps.cli.main
from search_spaces.catalog import load_space
assert len(list(load_space("demo"))) == 12
print(*[name for name in sys.modules if "almsweep_example" in name])
"""
    assert run_python(program, install(tmp_path / "installed")).split() == []


def test_it_may_be_imported_before_us(tmp_path: Path) -> None:
    """It imports our base classes; that must not end in a circle."""
    program = "from almsweep_example.config import Squared\nprint(Squared().plugin.package)\n"
    assert run_python(program, install(tmp_path / "installed")).strip() == "almsweep-example==1.2"


@pytest.mark.parametrize("said", [{}, 3, {"package": 3}])
def test_what_is_no_plug_in_is_an_error(said: Any) -> None:
    data = {"source": {"name": "digits"}, "negative": (1,), "positive": (8,)}
    with pytest.raises(ValidationError, match=r"loss\.plug-in"):
        TrialConfig.model_validate({"data": data, "loss": {"name": "bce", "plugin": said}})


def test_our_own_have_no_plug_in() -> None:
    for member in (*LOSS_TYPES, *MODEL_TYPES):
        with pytest.raises(ValidationError, match="expected no plug-in, given x==1"):
            member.model_validate({"plugin": {"package": "x==1"}})


SEARCH = """
fixed: {dataset: digits, seeds: [1]}
search:
  domains:
    loss.name: {choice: [bce, squared]}
    loss.temperature: {uniform: [0.5, 4], when: {loss.name: [squared]}}
  samples: 4
"""


@pytest.mark.usefixtures("plugin")
def test_a_search_chooses_it_and_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(SEARCH)
    search = read_space(path).search
    assert search is not None
    point = {"loss.name": "squared", "loss.temperature": 1.5}
    trial = search.trial(point)
    assert packages(trial) == [None, None, "almsweep-example==1.2"]
    assert search.locate(trial) == point


def test_a_stored_trial_cannot_say_what_is_imported() -> None:
    data = {"source": {"name": "digits"}, "negative": (1,), "positive": (8,)}
    plugin = {"package": "x==1", "family": "X", "implementation": "os:system", "group": "console_scripts"}
    loss = {"name": "mine", "plugin": plugin, "implementation": "os:system"}
    trial = TrialConfig.model_validate({"data": data, "loss": loss})
    assert trial.loss.family == "X"
    assert (type(trial.loss).implementation, type(trial.loss).group) == ("", "almsweep.losses")
    with pytest.raises(InputError, match="loss 'mine': expected the plug-in x==1, which is not installed"):
        check_installed(trial)
