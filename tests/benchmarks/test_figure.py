"""The benchmark's picture: all its words on the canvas, whatever the machine is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.figure import draw_scaling, scaling_figure
from tests.figure_texts import cut_texts, overlapping_texts


def result(processor: str) -> dict[str, Any]:
    """As much of a benchmark's result as the picture shows: four widths, up to a thousand replicates."""
    scaling, comparisons = [], []
    for width in (4, 16, 64, 128):
        rows = []
        for replicates in (1, 2, 4, 10, 100, 1000):
            rate = 1000.0 * replicates / width
            train = {"median": rate, "min": 0.9 * rate, "max": 1.1 * rate}
            rows.append({"replicates": replicates, "train": train, "peak_memory_bytes": 2**20 * width})
        scaling.append({"width": width, "rows": rows})
        plain = {"kind": "plain", "train": {"median": 900.0 / width}}
        comparisons.append({"width": width, "constrained": True, "rows": [plain]})
    machine = {"processor": processor, "cores": 192, "gpu": None}
    return {"summary": {"scaling": scaling, "comparisons": comparisons}, "machine": machine}


@pytest.mark.parametrize("processor", ["Intel(R) Xeon(R)", "AMD EPYC 9654 96-Core Processor " * 8])
def test_every_text_lies_inside_the_canvas(processor: str, tmp_path: Path) -> None:
    figure = scaling_figure(result(processor))
    assert cut_texts(figure) == []
    assert overlapping_texts(figure) == []
    draw_scaling(result(processor), tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
