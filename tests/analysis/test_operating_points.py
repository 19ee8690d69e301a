"""Thresholds fixed on validation and applied to test: of every class, by an independent reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import beta
from typer.testing import Result

from analysis.tables import Tables, make_tables, write_tables
from search_spaces.config import (
    Bce,
    CrossEntropy,
    DigitMosaic,
    MultiLabel,
    MultiLabelBce,
    Targets,
    TrialConfig,
)
from tests.analysis.stored_sweep import ALM, LONG_TAIL, SweepBuilder, noise, trial
from trainer.store.outputs import outputs_table

SEEDS = (1, 2)
SIZES = {"val": (40, 90), "test": (70, 150)}
RATES = Targets(tpr=(0.95, 0.9, 0.8), fpr=())
MOSAIC = MultiLabel(
    source=DigitMosaic(classes=(8, 3, 1), prevalences=(0.1, 0.3, 0.5), train=9, validation=9, test=9),
    classes=(8, 3, 1),
    critical=(8,),
)


def targets_of(kind: str, split: str) -> np.ndarray:
    few, many = SIZES[split]
    if kind == "binary":
        return np.repeat(np.array([1, 0], np.int8), [few, many])
    if kind == "multiclass":
        return np.repeat(np.arange(3, dtype=np.int16), [many, few, few])
    position = np.arange(few + many)
    return np.stack([position % 4 == 0, position % 3 == 0, position % 2 == 0], axis=1).astype(np.uint8)


def table(kind: str, seed: int, strength: float, grouped: bool) -> pa.Table:
    """Outputs of both splits, those of the right class higher; with groups three examples make one."""
    parts = []
    for split in SIZES:
        targets = targets_of(kind, split)
        columns = 1 if kind == "binary" else 3
        outputs = np.array(
            [[noise(f"{seed}/{split}/{i}/{c}") for c in range(columns)] for i in range(len(targets))]
        )
        if kind == "multiclass":
            outputs[np.arange(len(targets)), targets] += strength
        else:
            outputs += strength * targets.reshape(outputs.shape)
        groups = None
        if grouped:
            groups = np.array([f"{split}{i % 75}" for i in range(len(targets))])
        ids = [str(1000 + i) for i in range(len(targets))]
        values = outputs.astype(np.float32)
        if kind == "binary":
            values = values[:, 0]
        parts.append(outputs_table(split, ids, targets, values, groups))
    return pa.concat_tables(parts)


def made(builder: SweepBuilder, kind: str, *, grouped: bool = False, **options: Any) -> Tables:
    config: TrialConfig = {
        "binary": trial(Bce(), seeds=SEEDS),
        "multiclass": trial(CrossEntropy(), data=LONG_TAIL, seeds=SEEDS),
        "multilabel": trial(MultiLabelBce(), data=MOSAIC, seeds=SEEDS),
    }[kind]
    builder.add(config)
    for seed in SEEDS:
        builder.replicate(config, seed, table(kind, seed, 1.5, grouped))
    return make_tables(builder.store, builder.manifest(), shown=RATES, draws=2000, **options)


def columns_by_hand(kind: str, split: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, targets and ensemble scores of each class, from the stored numbers alone."""
    rows = []
    for seed in SEEDS:
        part = table(kind, seed, 1.5, grouped=False).to_pandas()
        part = part[part["split"] == split]
        names = [name for name in part if name.startswith(("score", "logit", "output"))]
        rows.append(np.array(part[names].to_numpy().tolist(), dtype=np.float64).reshape(len(part), -1))
    outputs = np.mean(rows, axis=0)
    targets = targets_of(kind, split)
    if kind == "binary":
        yield "positive", targets, outputs[:, 0]
    elif kind == "multilabel":
        for place, name in enumerate(("8", "3", "1")):
            yield name, targets[:, place], outputs[:, place]
    else:
        for place, name in ((1, "8"), (2, "9")):
            others = np.delete(outputs, place, axis=1)
            odds = outputs[:, place] - np.log(np.exp(others).sum(axis=1))
            yield name, (targets == place).astype(int), odds


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_validation_threshold_decides_the_test_examples(builder: SweepBuilder, kind: str) -> None:
    frame = made(builder, kind).operating.set_index(["class", "target_tpr"])
    validation = {name: (t, s) for name, t, s in columns_by_hand(kind, "val")}
    seen = 0
    for name, targets, scores in columns_by_hand(kind, "test"):
        of_validation, held = validation[name]
        for rate in RATES.tpr:
            row = frame.loc[(name, rate)]
            # The highest score at which enough validation positives lie, by trying all of them.
            reached = [s for s in held if np.mean(held[of_validation == 1] >= s) >= rate - 1e-12]
            last = max(reached)
            assert max(held[held < last], default=-np.inf) < row["threshold"] < last
            calls = scores >= row["threshold"]
            counts = [
                np.sum(calls & (targets == 1)),
                np.sum(calls & (targets == 0)),
                np.sum(~calls & (targets == 1)),
                np.sum(~calls & (targets == 0)),
            ]
            told = ["true_positives", "false_positives", "false_negatives", "true_negatives"]
            assert list(row[told]) == counts
            hits, wrong, missed, right = map(int, counts)
            assert row["precision"] == pytest.approx(hits / (hits + wrong))
            assert row["negative_predictive_value"] == pytest.approx(right / (right + missed))
            seen += 1
    assert seen == len(frame)


def test_intervals_are_exact_where_the_rate_is_resolved(builder: SweepBuilder) -> None:
    """Against the beta quantiles of Clopper and Pearson; 40 validation positives resolve 90 %, not 95 %."""
    frame = made(builder, "binary").operating.set_index("target_tpr")
    row = frame.loc[0.9]
    for rate, part, rest in (
        ("tpr", "true_positives", "false_negatives"),
        ("fpr", "false_positives", "true_negatives"),
    ):
        k, n = int(row[part]), int(row[part] + row[rest])
        assert 0 < k < n
        assert row[f"{rate}_low"] == pytest.approx(beta.ppf(0.025, k, n - k + 1))
        assert row[f"{rate}_high"] == pytest.approx(beta.ppf(0.975, k + 1, n - k))
    assert row["unresolved"] == ""
    assert row["interval"] == "Clopper-Pearson"
    assert frame.loc[0.95, "unresolved"] == "40 validation positives, expected at least 59"
    assert frame.loc[0.95, ["tpr_low", "tpr_high", "fpr_low", "fpr_high"]].isna().all()
    assert frame.loc[0.95, "true_positives"] > 0, "the value itself is told"


def test_of_groups_whole_ones_are_drawn(builder: SweepBuilder) -> None:
    """Against a slow loop that draws patients: 70 with a positive image, 5 without."""
    row = made(builder, "binary", grouped=True).operating.set_index("target_tpr").loc[0.9]
    assert row["interval"] == "bootstrap over groups"
    ((_, targets, scores),) = columns_by_hand("binary", "test")
    patient, calls = np.arange(len(targets)) % 75, scores >= row["threshold"]
    generator, rates = np.random.default_rng(5), []
    for _ in range(2000):
        drawn = [*generator.integers(0, 70, 70), *generator.integers(70, 75, 5)]
        members = np.concatenate([np.flatnonzero(patient == one) for one in drawn])
        positive = targets[members] == 1
        rates.append((calls[members][positive].mean(), calls[members][~positive].mean()))
    low, high = np.quantile(rates, [0.025, 0.975], axis=0)
    assert [row["tpr_low"], row["fpr_low"]] == pytest.approx(low, abs=0.02)
    assert [row["tpr_high"], row["fpr_high"]] == pytest.approx(high, abs=0.02)


def test_precision_at_another_prevalence_follows_bayes_rule(builder: SweepBuilder) -> None:
    row = made(builder, "binary", prevalence=0.01).operating.set_index("target_tpr").loc[0.9]
    called, sick = 0.01 * row["tpr"] + 0.99 * row["fpr"], 0.01
    assert row["asked_precision"] == pytest.approx(sick * row["tpr"] / called)
    assert row["asked_negative_predictive_value"] == pytest.approx(0.99 * (1 - row["fpr"]) / (1 - called))
    assert row["prevalence"] == pytest.approx(70 / 220)
    assert row["precision"] > row["asked_precision"]


def test_markdown_marks_what_is_not_resolved_and_prints_critical_classes(
    builder: SweepBuilder, tmp_path: Path
) -> None:
    made(builder, "multilabel")
    write_tables(builder.store, builder.manifest(), tmp_path, shown=RATES)
    text = (tmp_path / "operating_points.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ML-BCE")]
    assert len(lines) == len(RATES.tpr), "of three labels one is critical"
    assert "95 ‡" in lines[0]
    assert "‡: not resolved, without interval" in text
    frame = pd.read_csv(tmp_path / "operating_points.csv", dtype={"class": str})
    assert list(frame["class"].unique()) == ["8", "3", "1"]


def test_test_scores_move_no_threshold(builder: SweepBuilder, tmp_path: Path) -> None:
    """Two trials of the same validation scores, their test scores turned round."""
    first = builder.add(trial(Bce(), seeds=SEEDS))
    second = builder.add(trial(Bce(), ALM, seeds=SEEDS))
    for seed in SEEDS:
        plain = table("binary", seed, 1.5, grouped=False).to_pandas()
        turned = plain.copy()
        turned.loc[turned["split"] == "test", "score"] *= -1
        schema = table("binary", seed, 1.5, grouped=False).schema
        builder.replicate(first, seed, pa.Table.from_pandas(plain, schema, preserve_index=False))
        builder.replicate(second, seed, pa.Table.from_pandas(turned, schema, preserve_index=False))
    frame = make_tables(builder.store, builder.manifest(), draws=0).operating
    rows = [part.reset_index(drop=True) for _, part in frame.groupby("trial_id")]
    assert len(rows) == 2
    assert list(rows[0]["threshold"]) == list(rows[1]["threshold"])
    assert list(rows[0]["true_positives"]) != list(rows[1]["true_positives"])


def test_the_command_takes_a_prevalence(
    cli: Callable[..., Result], builder: SweepBuilder, tmp_path: Path
) -> None:
    made(builder, "binary")
    builder.store.write_sweep(builder.manifest())
    done = cli("tables", "golden", "--output", builder.folder, "--prevalence", "0.01")
    assert done.exit_code == 0, done.output
    text = (builder.folder / "tables" / "golden" / "operating_points.md").read_text()
    assert "Precision at 1 %" in text
    refused = cli("tables", "golden", "--output", builder.folder, "--prevalence", "1.5")
    assert refused.exit_code == 2
    assert "--prevalence" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
