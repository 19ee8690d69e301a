"""A cell tells in which ways its replicates were rounded differently."""

from typing import Any

import pytest

from analysis.tables import make_tables
from search_spaces.config import Bce, Ldam
from tests.analysis.stored_sweep import SweepBuilder, cell, trial


@pytest.mark.parametrize(
    ("other", "remark"),
    [
        ({}, ""),
        ({"threads": 12}, "replicates differ in CPU threads (1, 12)"),
        ({"device": "GPU X", "threads": 2}, "replicates differ in device (GPU X, cpu (x86_64))"),
        ({"compiled": True}, "replicates differ in compiled (no, yes)"),
        ({"torch": "2.12.0"}, "replicates differ in torch (2.12.0, 2.13.0)"),
        ({"processor": "Xeon | 2"}, "replicates differ in processor (EPYC, Xeon | 2)"),
        (
            {"cpu_capability": "AVX2", "compiled": True},
            "replicates differ in CPU instructions (AVX2, AVX512), compiled (no, yes)",
        ),
        ({"processor": None, "cpu_capability": None}, ""),
        ({"gpu_driver": "550.54"}, ""),
    ],
)
def test_a_cell_that_mixes_ways_of_rounding_says_so(
    builder: SweepBuilder, other: dict[str, Any], remark: str
) -> None:
    machine = {"processor": "EPYC", "cpu_capability": "AVX512", "gpu_driver": None}
    builder.complete(trial(Bce()), "a", 1.0, 1.0, **machine)
    builder.complete(trial(Bce(), epochs=20), "b", 0.5, 0.5, **{**machine, **other})
    made = make_tables(builder.store, builder.manifest())
    record = cell(made, "BCE")
    assert (record["note"], record["complete"]) == (remark, True)
    assert made.provenance["cells"][0]["mixture"] == remark
    for text in (made.markdown, made.text, made.latex):
        assert ("BCE: replicates" in text) == bool(remark)
        assert "†" not in text
    assert "$^{\\dagger}$" not in made.latex


def test_results_of_two_gpu_drivers_are_told_and_older_results_are_no_error(builder: SweepBuilder) -> None:
    gpu = {"device": "GPU X", "processor": "EPYC"}
    builder.complete(trial(Bce()), "a", 1.0, 1.0, **gpu, gpu_driver="550.54")
    builder.complete(
        trial(Bce(), epochs=20), "b", 0.5, 0.5, device="GPU X", processor="Xeon", gpu_driver="560.1"
    )
    builder.complete(trial(Ldam()), "c", 0.5, 0.5, **gpu)
    builder.complete(trial(Ldam(), epochs=20), "d", 0.4, 0.5, **gpu, gpu_driver="550.54")
    made = make_tables(builder.store, builder.manifest())
    assert cell(made, "BCE")["note"] == "replicates differ in GPU driver (550.54, 560.1)"
    assert cell(made, "LDAM")["note"] == ""
    drivers = [replicate["gpu_driver"] for replicate in made.provenance["cells"][1]["replicates"]]
    assert drivers == [None] * 4
