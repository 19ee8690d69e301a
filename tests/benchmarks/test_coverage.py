"""What coverage is measured of is known in truth, and the page says what could not be measured."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from benchmarks import coverage, coverage_choice, coverage_intervals, coverage_tasks, coverage_tests
from benchmarks.coverage_choice import choose
from benchmarks.coverage_intervals import POSITIVES, SEEDS, Setting, cover
from benchmarks.coverage_runs import simulated
from benchmarks.coverage_scores import (
    METRICS,
    OF_SEEDS,
    ensemble_distance,
    labels,
    mean_truth,
    networks,
    truth,
)
from benchmarks.coverage_tests import judge
from trainer.tasks.base import task_arrays

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-intervals.md"


def measured(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    fprs, tprs, _ = roc_curve(targets, scores)
    found = {"auroc": float(roc_auc_score(targets, scores))}
    for rate in (98, 95, 90):
        found[f"fpr_at_tpr_{rate}"] = float(fprs[tprs >= rate / 100].min())
    return found


def test_the_truth_is_what_very_many_examples_come_to() -> None:
    generator = np.random.default_rng(0)
    targets, distances = labels(200_000), np.array([1.6, 2.1, 2.4])
    scores = networks(generator, targets, generator.normal(size=len(targets)), distances)
    assert measured(targets, scores[0]) == pytest.approx(truth(1.6), abs=0.005)
    expected = truth(ensemble_distance(distances))
    assert measured(targets, scores.mean(axis=0)) == pytest.approx(expected, abs=0.005)


def test_the_mean_over_seeds_is_that_of_very_many() -> None:
    drawn = 2 + OF_SEEDS * np.random.default_rng(0).normal(size=20_000)
    each = [truth(distance) for distance in drawn]
    for metric in METRICS:
        mean = np.mean([one[metric.name] for one in each])
        assert mean_truth(2.0)[metric.name] == pytest.approx(mean, abs=0.005)


@pytest.mark.parametrize("kind", coverage_tasks.kinds(), ids=lambda kind: kind.name)
@pytest.mark.parametrize(("raised", "deviation"), [(0.0, 1.0), (0.3, 0.8)])
def test_the_truth_of_other_tasks_is_what_very_many_examples_come_to(
    kind: coverage_tasks.Kind, raised: float, deviation: float
) -> None:
    generator = np.random.default_rng(0)
    targets = kind.targets(generator, 10_000)
    logits = kind.raised(targets, raised)
    logits = logits + deviation * generator.normal(size=logits.shape)
    found = task_arrays(kind.task(0), coverage_tasks.RATES).summarize(targets, logits)
    expected = kind.truth(raised, deviation)
    assert {name: found[name] for name in kind.metrics} == pytest.approx(expected, abs=0.008)


def test_what_has_no_interval_is_not_counted() -> None:
    few = cover(Setting(50, 3), 50, 0)
    assert set(few) == {"auroc", "fpr_at_tpr_90"}, "50 positives do not resolve 95 %"
    assert set(few["auroc"]) == {"ensemble", "difference"}, "three seeds have no interval of their mean"
    assert set(cover(Setting(50, 6), 50, 0)["auroc"]) == set(coverage_intervals.QUESTIONS)


def test_a_large_effect_is_found_and_only_where_it_is() -> None:
    found = judge(500, 2.0, 0)
    test, significant = found["auroc"]
    assert test == "DeLong"
    effects = [coverage_tests.has_effect(pair) for pair in range(coverage_tests.PAIRS_OF_BLOCK)]
    assert significant == effects * coverage_tests.BLOCKS
    assert found["fpr_at_tpr_95"][0] == "paired bootstrap"


def test_choosing_the_best_epoch_adds_to_what_a_choice_is_too_good_by() -> None:
    last, best = [], []
    for number in range(6):
        last.append(choose(50, 5, "last", 20, number))
        best.append(choose(50, 5, "best_epoch", 20, number))
    for found in (last, best):
        assert np.mean([one["plain"] - one["corrected"] for one in found]) > 0
    added = [two["of_epochs"] - one["of_epochs"] for one, two in zip(last, best, strict=True)]
    assert min(added) > 0, "on the same examples and networks"


def test_what_is_kept_is_not_simulated_again(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1) as pool:
        kept = tmp_path / "folder" / "squares.jsonl"
        assert simulated(_square, 3, pool, kept) == [0, 1, 4]
        kept.write_text("7\n1\n4\n")
        assert simulated(_square, 5, pool, kept) == [7, 1, 4, 9, 16]
        assert simulated(_square, 2, pool, kept) == [7, 1]
        assert simulated(_square, 2, pool) == [0, 1]


def _square(number: int) -> int:
    return number**2


def test_the_command_writes_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(coverage_intervals, "POSITIVES", (50,))
    monkeypatch.setattr(coverage_choice, "SETTINGS", ((50, 3),))
    monkeypatch.setattr(coverage_tasks, "POSITIVES", (50,))
    page = tmp_path / "page.md"
    options = ["--simulations", "2", "--tables", "2", "--choices", "2", "--draws", "60", "--processes", "1"]
    assert coverage.main([*options, "--markdown", str(page)]) == 0
    text = page.read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    told = {tuple(row[:3]): row[3:] for row in rows}
    assert told["FPR at 98 % TPR", "50", "10"] == ["unresolved"] * 4
    ensemble, mean, _, mean_difference = told["AUROC", "50", "3"]
    assert (mean, mean_difference) == ("none", "none")
    assert 0 <= float(ensemble) <= 100
    assert told["last", "50", "3"][-1].count("±") == 1
    for share in told["labels, 2 apart", "mean average precision", "50"][1:]:
        assert 0 <= float(share) <= 100
    assert told["labels, 3 apart", "AUROC of 4", "50"][2] == "none"
    assert "--simulations 2 --draws 60" in text


def test_the_page_tells_every_setting_and_what_docs_say_of_it() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    told = {tuple(row[:3]): row[3:] for row in rows}
    for metric in METRICS:
        for positives in POSITIVES:
            for seeds in SEEDS:
                shares = told[metric.words, str(positives), str(seeds)]
                assert ("none" in shares) is (seeds < 6 and "unresolved" not in shares)
                if positives <= 500 and shares[1] not in ("none", "unresolved"):
                    assert float(shares[1]) >= 96, "of a mean over replicates"
    for metric in METRICS:
        (false,) = [
            row[2:4] for row in rows if row[0] == metric.words and row[1] in ("DeLong", "paired bootstrap")
        ]
        assert max(map(float, false)) <= 5
    lefts = [row[-1] for key, row in told.items() if key[0] in coverage_choice.SCORED]
    assert len(lefts) == len(coverage_choice.SETTINGS) * len(coverage_choice.SCORED)
    for left in lefts:
        assert abs(float(left.split(" ± ")[0])) < 0.01
