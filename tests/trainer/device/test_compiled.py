"""Compiled training: the trajectory of the plain one but for rounding, and exact when it goes on."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor.runtime.cache_dir_utils import cache_dir
from torch.compiler import reset

from search_spaces.config import Bce, ConstraintConfig, Ldam, ResNet10, TrialConfig
from search_spaces.errors import InputError
from search_spaces.presets import preset
from trainer.checkpoint import dump_replicates, restore_replicates
from trainer.data.task import TaskData, load_task
from trainer.device import compiled as compiling
from trainer.device.compiled import check_compiler, compiled
from trainer.fit import fit, train_epoch
from trainer.options import TrialOptions
from trainer.replicate import Replicate
from trainer.setup import TrialSetup, let_go
from trainer.store import Store
from trainer.trial import run_trial
from trainer.trial_probe import measure_trial

CPU = torch.device("cpu")
PLAIN, COMPILED = TrialOptions(), TrialOptions(compile=True)
CONSTRAINT = ConstraintConfig(penalty=1e-3, margin=0.5, introduce_at=1)
EPOCHS = 4
SHAPE = torch.Size([1, 8, 8])

# torch's compiler uses what torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs the C++ compiler g++")


def config(**changes: Any) -> TrialConfig:
    fields: dict[str, Any] = {
        **preset("digits", 20),
        "loss": Bce(),
        "constraint": CONSTRAINT,
        "epochs": EPOCHS,
        "seeds": (1, 2),
        "batch_size": 40,
    }
    return TrialConfig(**{**fields, **changes})


@pytest.fixture(scope="module")
def task() -> TaskData:
    return load_task(config().data, None)


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compiling, "_kinds", set())
    monkeypatch.setattr(compiling, "_folder", None)
    monkeypatch.setenv(compiling.FOLDER_VARIABLE, "")  # so that it is put back
    monkeypatch.delenv(compiling.FOLDER_VARIABLE)
    yield
    reset()
    let_go()


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Trace without a compiler, which takes no time; returns how many networks were traced so far."""
    traced = []
    real = torch.compile

    def backend(graph: Any, inputs: Any) -> Any:
        traced.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda model, **options: real(model, backend=backend, **options))
    return lambda: len(traced)


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match=r"^--compile: expected the C\+\+ compiler no-such-compiler"):
        check_compiler(CPU)


def test_a_trial_without_a_compiler_fails_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    store = Store(tmp_path)
    with pytest.raises(InputError, match="no-such-compiler"):
        run_trial(config(), store, CPU, COMPILED)
    failure = store.notes.read_failure(config().trial_id)
    assert failure is not None
    assert "no-such-compiler" in failure["message"]
    assert not store.replicates.ended(config().trial_id)


@needs_compiler
@pytest.mark.parametrize("cache", ["folder", "off"])
def test_compiled_code_lies_where_no_other_user_can_put_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.setenv("ALMSWEEP_CACHE", "off" if cache == "off" else str(tmp_path))
    cache_dir()  # as torch asks it, and sets the variable
    assert "almsweep" not in os.environ[compiling.FOLDER_VARIABLE]
    compiled(torch.nn.Linear(1, 1), config(), SHAPE, CPU)
    folder = Path(os.environ[compiling.FOLDER_VARIABLE])
    if cache == "folder":
        assert folder.parent == tmp_path / "compiled"
    else:
        assert folder.stat().st_mode & 0o077 == 0
    monkeypatch.setenv(compiling.FOLDER_VARIABLE, "/elsewhere")
    compiled(torch.nn.Linear(1, 1), config(), SHAPE, CPU)
    assert os.environ[compiling.FOLDER_VARIABLE] == "/elsewhere"


@needs_compiler
def test_code_of_another_number_of_threads_lies_elsewhere() -> None:
    before, folders = torch.get_num_threads(), set()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            compiled(torch.nn.Linear(1, 1), config(), SHAPE, CPU)
            folders.add(os.environ[compiling.FOLDER_VARIABLE])
    finally:
        torch.set_num_threads(before)
    assert len(folders) == 2


@needs_compiler
def test_code_of_another_processor_lies_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache on a shared disk serves machines of several processors, and code is made for all they can."""
    folders = set()
    for flags in ("avx2 avx512f", "avx2 avx512f avx512_bf16", "avx2 avx512f"):
        described = tmp_path / "cpuinfo"
        described.write_text(f"processor\t: 0\nmodel name\t: Some\nflags\t\t: {flags}\n")
        monkeypatch.setattr("trainer.device.environment.CPUINFO", described)
        compiled(torch.nn.Linear(1, 1), config(), SHAPE, CPU)
        folders.add(os.environ[compiling.FOLDER_VARIABLE])
    monkeypatch.setattr("trainer.device.environment.CPUINFO", tmp_path / "absent")  # as on macOS
    compiled(torch.nn.Linear(1, 1), config(), SHAPE, CPU)
    folders.add(os.environ[compiling.FOLDER_VARIABLE])
    assert len(folders) == 3


@needs_compiler
def test_replicates_and_trials_of_a_kind_share_what_was_compiled(
    task: TaskData, interpreted: Callable[[], int]
) -> None:
    for wanted in (config(), config(constraint=None), config(seeds=(3,))):
        setup = TrialSetup(wanted, task, CPU, COMPILED)
        for _ in fit([Replicate(setup, seed) for seed in wanted.seeds]):
            pass
    assert interpreted() == 1
    for number, precision in enumerate(("float32", "bf16"), start=2):  # the cosine head leaves autocast
        other = TrialSetup(config(loss=Ldam(), precision=precision), task, CPU, COMPILED)
        train_epoch([Replicate(other, 1)])
        assert interpreted() == number


@pytest.mark.group(name="compiled")
@needs_compiler
def test_any_number_of_kinds_is_compiled(
    task: TaskData, interpreted: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the 8 that torch admits by default, and more than we do."""
    monkeypatch.setattr(compiling, "MOST_KINDS", 9)
    sizes = range(20, 31)
    for size in sizes:
        Replicate(TrialSetup(config(batch_size=size), task, CPU, COMPILED), 1).train_batches(1)
    assert interpreted() == len(sizes)


@needs_compiler
def test_the_trial_is_compiled(interpreted: Callable[[], int], tmp_path: Path) -> None:
    run_trial(config(), Store(tmp_path), CPU, COMPILED)
    assert interpreted() == 1


@needs_compiler
@pytest.mark.parametrize("memory", [False, True])
def test_what_is_measured_of_a_trial_is_compiled(
    interpreted: Callable[[], int], monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    if memory:
        monkeypatch.setattr("trainer.trial_probe.seconds_per_epoch", lambda *a, **k: 1.0)
    measure_trial(config(), CPU, COMPILED, memory=memory)
    assert interpreted() == 1


@needs_compiler
def test_batches_of_another_size_are_not_compiled(task: TaskData, interpreted: Callable[[], int]) -> None:
    replicate = Replicate(TrialSetup(config(), task, CPU, COMPILED), 1)
    replicate.begin_epoch()
    assert replicate.batch_sizes[-1] < config().batch_size
    train_epoch([replicate])
    assert interpreted() == 1


@needs_compiler
def test_what_was_compiled_holds_no_replicate(task: TaskData, interpreted: Callable[[], int]) -> None:
    replicate = Replicate(TrialSetup(config(), task, CPU, COMPILED), 1)
    train_epoch([replicate])
    assert interpreted() == 1
    model = weakref.ref(replicate.model)
    replicate.close()
    del replicate
    gc.collect()
    assert model() is None


@pytest.mark.group(name="compiled")
@needs_compiler
@pytest.mark.parametrize(
    ("changes", "share"),
    [({}, 1e-3), ({"precision": "bf16"}, 0.2)],
    ids=["float32", "bf16"],
)
def test_compiled_steps_give_the_plain_ones_scores(
    task: TaskData, changes: dict[str, Any], share: float
) -> None:
    """Every epoch's scores (RMS): compiled and plain differ by a small share of what two seeds do."""
    wanted = config(**changes)
    plain, ours = (TrialSetup(wanted, task, CPU, options) for options in (PLAIN, COMPILED))
    replicates = [Replicate(plain, 1), Replicate(ours, 1), Replicate(plain, 2)]
    before = counters["stats"]["unique_graphs"]
    for _ in range(wanted.epochs):
        train_epoch(replicates)
        first, again, other = (replicate.validation_outputs for replicate in replicates)
        assert rms(again - first) < share * rms(other - first)
    assert counters["stats"]["unique_graphs"] == before + 1
    assert replicates[1].constraint.multipliers.max() > 0  # type: ignore[union-attr]


@pytest.mark.group(name="compiled")
@needs_compiler
def test_a_compiled_resnet_has_the_plain_ones_gradients(task: TaskData) -> None:
    """After one step; later ones amplify any rounding, as that of another number of threads or layout."""
    wanted = config(model=ResNet10(width=16))
    made = [Replicate(TrialSetup(wanted, task, CPU, options), 1) for options in (PLAIN, COMPILED)]
    for replicate in made:
        replicate.train_batches(1)
    for plain, ours in zip(made[0].model.parameters(), made[1].model.parameters(), strict=True):
        assert plain.grad is not None
        assert ours.grad is not None
        assert plain.grad.norm() > 0
        assert (ours.grad - plain.grad).norm() < 1e-4 * plain.grad.norm()


def rms(difference: Any) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


@pytest.mark.group(name="compiled")
@needs_compiler
def test_a_compiled_trial_goes_on_exactly_and_says_that_it_was_compiled(
    task: TaskData, tmp_path: Path
) -> None:
    wanted, store = config(), Store(tmp_path)
    setup = TrialSetup(wanted, task, CPU, COMPILED)
    names = {"trial_id": wanted.trial_id, "data_sha256": task.sha256}
    through = [Replicate(setup, seed) for seed in wanted.seeds]
    for round_ in fit(through):
        if round_.epoch == 1:
            saved = dump_replicates(through, **names)
    reset()
    resumed = [Replicate(setup, seed) for seed in wanted.seeds]
    restore_replicates(saved, resumed, **names)
    for _ in fit(resumed):
        pass
    run_trial(wanted, store, CPU, COMPILED)
    ended = store.replicates.ended(wanted.trial_id)
    for first, second in zip(through, resumed, strict=True):
        assert np.array_equal(first.validation_outputs, second.validation_outputs)
        result = store.replicates.read_result(ended[first.seed])
        assert (result["compiled"], result["metrics"]["val/auroc"]) == (True, first.scored.held[0].value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and -m gpu")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_compiled_steps_are_captured(task: TaskData, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed kernels are those of the plain calls; atomic additions may differ in the last bits."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    wanted, device = config(precision=precision), torch.device("cuda")
    made = []
    for capture in (True, False):
        setup = TrialSetup(wanted, task, device, COMPILED, capture=capture)
        replicates = [Replicate(setup, seed) for seed in wanted.seeds]
        for _ in fit(replicates):
            pass
        made.append(replicates)
    assert any(step.graph is not None for step in made[0][0].step._steps.values())
    for captured, eager in zip(*made, strict=True):
        theirs = eager.validation_outputs
        np.testing.assert_allclose(captured.validation_outputs, theirs, rtol=0, atol=0.02 * theirs.std())
