"""The benchmark runs on a small scale, and its ratios follow from its raw numbers. No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from benchmarks import machine, options, speed
from benchmarks.cases import Case, Row, comparison_rows, uncaptured_row
from benchmarks.contestants import make_contestant
from benchmarks.measure import Clock, Rules, measure_rows
from benchmarks.mps import Mps
from search_spaces.errors import InputError
from tests.trainer.image_files import random_images, write_parquet
from trainer.data.task import load_task
from trainer.device.capture import CAPTURE_VARIABLE

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """A contestant sets threads, cuDNN's choice and the random state of its process."""
    threads, chooses = torch.get_num_threads(), torch.backends.cudnn.benchmark
    with torch.random.fork_rng(devices=[]):
        yield
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = chooses


@pytest.fixture(scope="module")
def small_cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random pictures of automobiles and trucks, 130 of each: 100 validate, 27 and 9 train."""
    folder = tmp_path_factory.mktemp("data")
    for name, count in (("train", 260), ("test", 10)):
        labels = np.resize([1, 9], count)
        write_parquet(folder / f"cifar10/{name}.parquet", random_images(count, seed=count), labels)
    return folder


def run(data: Path, json_file: Path, options: str) -> dict[str, Any]:
    """The result of a run in float32 on one thread, whatever the processor is."""
    asked = f"--data {data} --json {json_file} --device cpu --precision float32 --threads 1 --widths 4"
    asked += f" --constraint with --ratio 3 --seconds 0 --no-compile {options}"
    assert speed.main(asked.split()) == 0
    found: dict[str, Any] = json.loads(json_file.read_text())
    return found


@pytest.fixture(scope="module")
def comparison(small_cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON file of a run that only compares: three rows of one process each."""
    file = tmp_path_factory.mktemp("comparison") / "comparison.json"
    run(small_cifar, file, "--pairs 2 --replicates 1 --processes 1 --epochs 0")
    return file


def test_the_rows_of_a_comparison_start_and_their_ratios_are_computed(comparison: Path) -> None:
    check_rows(json.loads(comparison.read_text()))


@pytest.mark.group(name="benchmarks")
def test_every_other_section_starts_and_joins_the_comparison(
    small_cifar: Path, comparison: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest, picture = tmp_path / "rest.json", tmp_path / "out/speed.png"
    sections = "--pairs 0 --quality-epochs 1 --quality-seeds 1 --scaling 2 --scaling-rounds 1"
    sections += " --bf16-check --bf16-seeds 2 --bf16-epochs 1 --bf16-width 4"
    check_other_sections(run(small_cifar, rest, sections))
    capsys.readouterr()
    joined = ["--from", str(comparison), str(rest), "--markdown", str(tmp_path / "out/speed.md")]
    assert speed.main([*joined, "--figure", str(picture)]) == 0
    printed = capsys.readouterr().out
    page = (tmp_path / "out/speed.md").read_text()
    assert page.startswith(printed[:-1])
    assert page.endswith("(speed.png)\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "## Width 4, with constraint" in printed
    assert "ours, 1 replicate" in printed
    assert "two-stage" not in printed  # the studies are of width 64
    for title in ("Quality", "Replicates per device", "bf16 against float32"):
        assert f"## {title}" in printed


def check_rows(result: dict[str, Any]) -> None:
    """Every row trained the images it says, and ratios are those of the raw numbers of the same round."""
    (comparison,) = result["comparisons"]
    raws = {raw["row"]: raw for raw in comparison["rows"]}
    assert [len(raw["cases"]) for raw in raws.values()] == [1, 1, 1]
    assert [raw["replicates"] for raw in raws.values()] == [1, 1, 1]
    for raw in raws.values():
        assert raw["failure"] is None
        assert {case["precision"] for case in raw["cases"]} == {"float32"}
        assert len(raw["turns"]) == 2
        for one in raw["turns"]:
            assert sum(p["train_images"] / p["epochs"] for p in one["processes"]) == 36 * raw["replicates"]
        assert all(end["peak_memory_bytes"] > 10**7 for end in raw["ends"])
    (found,) = result["summary"]["comparisons"]
    ours, plain = found["rows"][2], raws["plain"]
    ratios = []
    for one, other in zip(raws["ours, 1 replicate"]["turns"], plain["turns"], strict=True):
        (mine,), (validation,), (theirs,) = one["processes"], one["validations"], other["processes"]
        seconds = mine["end"] - mine["start"]
        validating = mine["validation_images"] * validation["seconds"] / validation["images"]
        seconds -= validating if validating < seconds else 0
        ratios.append(mine["train_images"] / seconds / (theirs["train_images"] / theirs["train_seconds"]))
    assert ours["train_ratio_to_plain"]["median"] == pytest.approx(sum(ratios) / 2)
    assert ours["train_ratio_to_plain"]["max"] == pytest.approx(max(ratios))
    assert found["rows"][0]["train_ratio_to_plain"]["max"] == 1
    share = (
        ours["train"]["median"]
        * result["floor"]["flop_per_image"]["4"]
        / result["floor"]["matmul"]["float32"]
    )
    assert ours["floor_share"] == pytest.approx(share)


def check_other_sections(result: dict[str, Any]) -> None:
    assert [one["row"] for one in result["quality"]] == ["plain", "plain, tuned", "ours, 1 replicate"]
    for one in result["quality"]:
        assert one["failure"] is None
        assert [len(values) for values in one["auroc"].values()] == [1]
    assert [row["replicates"] for row in result["summary"]["scaling"][0]["rows"]] == [2]
    assert result["summary"]["bf16"]["seeds"] == 2
    assert result["summary"]["bf16"]["scores_bf16"] > 0
    assert result["machine"]["commit"]
    assert result["machine"]["versions"]["torch"]
    assert result["settings"]["threads"] == 1


@pytest.mark.group(name="benchmarks")
def test_a_row_that_fails_is_named_and_one_of_two_processes_goes_on(small_cifar: Path) -> None:
    good = Case("ours", 4, True, "cpu", 1, (1,), "float32", str(small_cifar), 3.0)
    bad = replace(good, data_dir=str(small_cifar / "nowhere"))
    pair = (good, replace(good, seeds=(2,)))
    rules = Rules(1, 0.0, Clock(None), machine.EnergyMeter("cpu"))
    failed, went_on = measure_rows([Row("bad", (bad,)), Row("good", pair)], rules)
    assert "DataError" in failed["failure"]
    assert failed["turns"] == []
    assert went_on["failure"] is None
    assert went_on["replicates"] == 2
    (turn,) = went_on["turns"]
    assert [one["train_images"] for one in turn["processes"]] == [36, 36]


@pytest.mark.parametrize(
    ("device", "processes", "expected"),
    [
        ("cpu", 2, ["ours, 2 trials x 1, compiled"]),
        ("cpu", 1, ["ours, 4 replicates, compiled"]),
        ("cuda", 2, ["ours, 4 replicates, compiled", "ours, 2 trials x 1, compiled"]),
        ("cuda", 1, ["ours, 4 replicates, compiled"]),
    ],
)
def test_compiled_rows_stand_beside_the_same_rows(
    device: Literal["cpu", "cuda"], processes: int, expected: list[str]
) -> None:
    base = Case("ours", 4, True, device, 2, (1,), "float32", "data")
    given: dict[str, Any] = {"replicates": 4, "processes": processes, "per_process": 1, "mps": None}
    without = {row.name: row for row in comparison_rows(base, **given)}
    rows = {row.name: row for row in comparison_rows(base, **given, compiles=True)}
    assert [name for name in rows if name not in without] == expected
    for name in expected:
        plain = rows[name.removesuffix(", compiled")]
        assert not any(case.compile for case in plain.cases)
        assert rows[name].cases == tuple(replace(case, compile=True) for case in plain.cases)
        assert all(Case.from_json(asdict(case)).compile for case in rows[name].cases)


def test_the_usual_loop_trains_on_the_trainers_images(small_cifar: Path) -> None:
    case = Case("plain", 4, True, "cpu", 1, (2,), "float32", str(small_cifar), 3.0)
    task = load_task(case.config().data, small_cifar)
    data: Any = make_contestant(case)
    chosen = task.train_indices(2)
    pixels = np.stack([np.asarray(image) for image in data.data.train_images])
    assert np.array_equal(pixels.transpose(0, 3, 1, 2), task.pool.pixels.take(chosen.numpy()))
    assert data.data.train_labels == task.pool.targets[chosen].tolist()
    assert data.trainer.constraint.margin == 0.5


def test_it_imports_neither_engine_nor_tables() -> None:
    code = (
        "import sys, benchmarks.speed, benchmarks.contestants, benchmarks.worker;"
        "print({'ray', 'mlflow', 'optuna', 'matplotlib', 'sweeps', 'analysis'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_energy_is_the_sum_of_the_packages_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "POWERCAP", tmp_path)
    assert machine.EnergyMeter("cpu").read() == []
    assert machine.EnergyMeter("cpu").since([]) is None
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text("5000000\n")
    meter = machine.EnergyMeter("cpu")
    before = meter.read()
    (tmp_path / "intel-rapl:0/energy_uj").write_text("8000000\n")
    assert meter.since(before) == pytest.approx(3)
    (tmp_path / "intel-rapl:1/energy_uj").write_text("10\n")
    assert meter.since(before) is None


@pytest.mark.parametrize("code", [0, 3])
def test_mps_runs_between_its_start_and_its_stop(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$CUDA_MPS_PIPE_DIRECTORY $1 $(cat)" >> {tmp_path}/calls\nexit {code}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    mps = Mps(tmp_path, wanted=True)
    calls = [f"{tmp_path}/pipe -d "]
    if code == 0:
        assert mps.environment is not None
        calls.append(f"{tmp_path}/pipe  quit")
    else:
        assert mps.environment is None
        assert "exit code 3" in mps.state
    mps.stop()
    assert (tmp_path / "calls").read_text().splitlines() == calls


def test_results_of_two_machines_do_not_mix(tmp_path: Path) -> None:
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, processor in zip(paths, ("one", "other"), strict=True):
        sections: dict[str, object] = {section: [] for section in ("comparisons", "quality", "scaling")}
        path.write_text(
            json.dumps({**sections, "machine": {"processor": processor}, "bf16": None, "floor": {}})
        )
    with pytest.raises(InputError, match="expected results of one machine"):
        speed.merged(paths)
    assert speed.main(["--from", str(tmp_path / "none.json")]) == InputError.exit_code


def test_it_says_what_data_it_needs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("ALMSWEEP_TEST_DATA", raising=False)
    assert speed.main(["--device", "cpu"]) == InputError.exit_code
    assert "expected --data" in caplog.text


@pytest.mark.parametrize("has", [True, False])
def test_the_precision_is_the_one_asked_for_or_the_processors(
    has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has}, raising=False)
    common = ["--device", "cpu", "--data", "data", "--quick"]
    assert options.parse(common).precision == ("bf16" if has else "float32")
    for asked in ("float32", "bf16"):
        assert options.parse([*common, "--precision", asked]).precision == asked


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_ours_and_the_tuned_loop_take_the_precision_and_the_plain_loop_does_not(
    precision: Literal["float32", "bf16"], small_cifar: Path
) -> None:
    base = Case("ours", 4, True, "cpu", 1, (1,), precision, str(small_cifar), 3.0)
    rows = comparison_rows(base, replicates=1, processes=1, per_process=1, mps=None)
    plain, tuned, ours = (row.cases[0] for row in rows)
    assert [case.precision for case in (plain, tuned, ours)] == ["float32", precision, precision]
    loops: list[Any] = [make_contestant(case) for case in (plain, tuned)]
    assert [loop.trainer.bf16 for loop in loops] == [False, precision == "bf16"]


def test_uncaptured_steps_are_a_gpus(caplog: pytest.LogCaptureFixture) -> None:
    assert speed.main(["--device", "cpu", "--data", "data", "--uncaptured"]) == InputError.exit_code
    assert "expected a GPU, given --device cpu" in caplog.text
    base = Case("ours", 4, True, "cuda", 1, (1,), "bf16", "data")
    row = uncaptured_row(base, 3)
    assert row.environment == {CAPTURE_VARIABLE: "0"}
    assert row.cases[0].seeds == (1, 2, 3)
