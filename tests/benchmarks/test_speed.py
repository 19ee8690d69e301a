"""The benchmark runs on a small scale, and its ratios follow from its raw numbers. No time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from search_spaces.errors import InputError
from tests.benchmarks import machine, speed
from tests.benchmarks.cases import Case, Row, comparison_rows
from tests.benchmarks.contestants import make_contestant
from tests.benchmarks.measure import Clock, Rules, measure_rows
from tests.benchmarks.mps import Mps
from tests.trainer.image_files import random_images, write_parquet
from trainer.data import load_task

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def small_cifar(tmp_path: Path) -> Path:
    """Random pictures of automobiles and trucks, 130 of each: 100 validate, 27 and 9 train."""
    for name, count in (("train", 260), ("test", 10)):
        labels = np.resize([1, 9], count)
        write_parquet(tmp_path / f"cifar10/{name}.parquet", random_images(count, seed=count), labels)
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_run_measures_every_section_and_computes_its_ratios(
    small_cifar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = (
        "--device cpu --widths 4 --constraint with --threads 1 --pairs 2 --seconds 0 --ratio 3 "
        "--replicates 2 --processes 2 --no-compile --candidates --quality-epochs 1 --quality-seeds 1 "
        "--scaling 1,2 --scaling-rounds 1 --bf16-check --bf16-seeds 2 --bf16-epochs 1 --bf16-width 4"
    )
    files = [tmp_path / name for name in ("out/speed.json", "out/speed.md", "out/speed.png")]
    outputs = [
        x
        for flag, path in zip(("--json", "--markdown", "--figure"), files, strict=True)
        for x in (flag, str(path))
    ]
    assert speed.main(["--data", str(small_cifar), *asked.split(), *outputs]) == 0
    printed = capsys.readouterr().out
    result = json.loads(files[0].read_text())
    check_rows(result)
    check_other_sections(result)
    assert files[1].read_text().startswith(printed[:-1])
    assert files[1].read_text().endswith("(speed.png)\n")
    assert files[2].read_bytes().startswith(b"\x89PNG")
    assert "## Width 4, with constraint" in printed
    assert "ours, 2 trials x 1" in printed
    assert "two-stage" not in printed  # the studies are of width 64
    assert speed.main(["--from", str(files[0]), "--markdown", str(tmp_path / "again.md")]) == 0
    assert (tmp_path / "again.md").read_text() == printed[:-1]


def check_rows(result: dict[str, Any]) -> None:
    """Every row trained the images it says, and ratios are those of the raw numbers of the same round."""
    (comparison,) = result["comparisons"]
    raws = {raw["row"]: raw for raw in comparison["rows"]}
    assert [len(raw["cases"]) for raw in raws.values()] == [1, 1, 1, 1, 2, 1]
    assert [raw["replicates"] for raw in raws.values()] == [1, 1, 1, 2, 2, 2]
    for raw in raws.values():
        assert raw["failure"] is None
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
    assert [row["replicates"] for row in result["summary"]["scaling"][0]["rows"]] == [1, 2]
    assert result["summary"]["bf16"]["seeds"] == 2
    assert result["summary"]["bf16"]["scores_bf16"] > 0
    assert result["machine"]["commit"]
    assert result["machine"]["versions"]["torch"]
    assert result["settings"]["threads"] == 1


@pytest.mark.slow
def test_a_row_that_fails_is_named_and_the_others_go_on(small_cifar: Path) -> None:
    good = Case("ours", 4, True, "cpu", 1, (1,), "float32", str(small_cifar), 3.0)
    bad = Case("ours", 4, True, "cpu", 1, (1,), "float32", str(small_cifar / "nowhere"), 3.0)
    rules = Rules(1, 0.0, Clock(None), machine.EnergyMeter("cpu"))
    failed, went_on = measure_rows([Row("bad", (bad,)), Row("good", (good,))], rules)
    assert "DataError" in failed["failure"]
    assert failed["turns"] == []
    assert went_on["failure"] is None
    assert len(went_on["turns"]) == 1


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
    assert np.array_equal(pixels.transpose(0, 3, 1, 2), task.pool.pixels[chosen].numpy())
    assert data.data.train_labels == task.pool.targets[chosen].tolist()
    assert data.trainer.constraint.margin == 0.5


def test_it_imports_neither_engine_nor_tables() -> None:
    code = (
        "import sys, tests.benchmarks.speed, tests.benchmarks.contestants, tests.benchmarks.worker;"
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
