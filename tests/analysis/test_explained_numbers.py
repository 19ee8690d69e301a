"""Every test number that `almsweep explain` prints follows from the files that it names, by scikit-learn."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from typer.testing import Result

from search_spaces.config import CrossEntropy, LogitAdjusted, MultiLabelBce
from tests.analysis import test_tables_of_classes as of_classes
from tests.analysis import test_tables_of_label_sets as of_labels
from tests.analysis.stored_sweep import ALM, SweepBuilder, trial

Numbers = dict[str, float]


@dataclass(frozen=True)
class Explained:
    """What the command printed of a cell, and what stands in the files that it named.

    targets   [N] or [N, labels]; outputs [N] or [N, K], mean over the files
    """

    printed: Numbers
    files: list[str]
    targets: np.ndarray
    outputs: np.ndarray


def explained(cli: Callable[..., Result], builder: SweepBuilder) -> dict[str, Explained]:
    """Ask the command for all cells, and read what it names with pyarrow alone; by "block, row"."""
    builder.store.write_sweep(builder.manifest())
    done = cli("explain", "golden", "--output", builder.folder)
    assert done.exit_code == 0, done.output
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in done.stdout.splitlines():
        if re.match(r"\S.*, row ", line):
            lines = parts.setdefault(line.replace(", row ", ", "), [])
        lines.append(line)
    return {cell: of_cell(Path(builder.store.storage.root), told) for cell, told in parts.items()}


def of_cell(root: Path, lines: list[str]) -> Explained:
    """What the lines of one cell print and name."""
    printed = {m[1]: float(m[2]) for line in lines if (m := re.match(r"   (\S+) = (\S+)", line))}
    files = [m[1] for line in lines if (m := re.search(r"seed \d+: (\S+) \(SHA-256", line))]
    outputs, targets = [], np.array([])
    for file in files:
        table = pq.read_table(root / file).to_pandas()
        part = table[table["split"] == "test"].sort_values("example_id")
        column = "score" if "score" in part else "outputs"
        outputs.append(np.array(part[column].tolist(), np.float64))
        targets = np.array(part["target"].tolist())
    return Explained(printed, files, targets, np.mean(outputs, axis=0) if outputs else targets)


def fpr_at(targets: np.ndarray, scores: np.ndarray, rate: float) -> float:
    fprs, tprs, _ = roc_curve(targets, scores, drop_intermediate=False)
    return float(fprs[tprs >= rate].min())


def calibration(confidences: np.ndarray, right: np.ndarray) -> float:
    """15 bins of about equally many; examples of the same confidence share what they are right in."""
    order = np.argsort(confidences, kind="stable")
    rates = np.array([right[confidences == confidences[i]].mean() for i in order])
    gaps = np.array_split(confidences[order] - rates, 15)
    return sum(abs(part.sum()) for part in gaps) / len(order)


def test_of_a_binary_task(cli: Callable[..., Result], golden: SweepBuilder) -> None:
    cells = explained(cli, golden)
    assert len(cells["cifar10 1:100, S-LM"].files) == 4
    for row in ("BCE", "BCE + ALM", "S-LM", "S-LM + ALM"):
        found = cells[f"cifar10 1:100, {row}"]
        y, s = found.targets, found.outputs
        expected = {"auroc": roc_auc_score(y, s)}
        expected |= {f"fpr_at_tpr_{rate}": fpr_at(y, s, rate / 100) for rate in (98, 95, 90)}
        check(found, expected)


def test_of_several_classes(cli: Callable[..., Result], builder: SweepBuilder) -> None:
    of_classes.complete(builder)
    of_classes.complete(builder, epochs=7)
    of_classes.complete(builder, CrossEntropy(), constraint=ALM)
    of_classes.complete(builder, LogitAdjusted())
    cells = explained(cli, builder)
    assert [cell.rpartition(", ")[2] for cell in cells] == ["CE", "LA", "CE + ALM"]
    for found in cells.values():
        y, z = found.targets, found.outputs
        decided, probabilities = z.argmax(axis=1), softmax(z, axis=1)
        critical = probabilities[:, 3]
        recalls = recall_score(y, decided, average=None, zero_division=0)
        expected = {
            "critical_auroc": roc_auc_score(y == 3, critical),
            "auroc/3": roc_auc_score(y == 3, critical),
            "macro_f1": f1_score(y, decided, average="macro", zero_division=0),
            "accuracy": accuracy_score(y, decided),
            "balanced_accuracy": balanced_accuracy_score(y, decided),
            "recall_many": recalls[:2].mean(),  # 300 and 101 training images
            "recall_medium": recalls[2],
            "recall_few": recalls[3],
            "calibration_error": calibration(probabilities.max(axis=1), decided == y),
        }
        expected |= {f"fpr_at_tpr_{rate}/3": fpr_at(y == 3, critical, rate / 100) for rate in (98, 95, 90)}
        expected |= {f"recall/{label}": recalls[label] for label in range(4)}
        check(found, expected)


def test_of_label_sets(cli: Callable[..., Result], builder: SweepBuilder) -> None:
    for constraint, strength in ((None, 2.0), (ALM, 2.5)):
        for epochs in (7, 8):
            config = builder.add(trial(MultiLabelBce(), constraint, data=of_labels.TASK, epochs=epochs))
            for seed in config.seeds:
                table = of_labels.scores(config.trial_id, seed, strength, reverse=seed == 2)
                builder.replicate(config, seed, table)
    cells = explained(cli, builder)
    assert [cell.rpartition(", ")[2] for cell in cells] == ["ML-BCE", "ML-BCE + ALM"]
    for found in cells.values():
        y, z = found.targets, found.outputs
        decided = z >= 0
        precisions = average_precision_score(y, z, average=None)
        areas = roc_auc_score(y, z, average=None)
        scores = f1_score(y, decided, average=None)
        errors = [calibration(expit(np.abs(z[:, k])), decided[:, k] == y[:, k]) for k in range(3)]
        expected = {
            "mean_average_precision": precisions.mean(),
            "macro_auroc": areas.mean(),
            "macro_f1": scores.mean(),
            "micro_f1": f1_score(y, decided, average="micro"),
            "critical_f1": scores[0],
            "macro_precision": precision_score(y, decided, average="macro"),
            "macro_recall": recall_score(y, decided, average="macro"),
            "calibration_error": np.mean(errors),
        }
        expected |= {f"fpr_at_tpr_{rate}/8": fpr_at(y[:, 0], z[:, 0], rate / 100) for rate in (98, 95, 90)}
        for place, label in enumerate((8, 3, 1)):
            expected[f"f1/{label}"] = scores[place]
            expected[f"auroc/{label}"] = areas[place]
            expected[f"average_precision/{label}"] = precisions[place]
        check(found, expected)


def check(found: Explained, expected: Numbers) -> None:
    """All of these are printed, and nothing else."""
    assert set(found.printed) == set(expected)
    for name, value in found.printed.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name
