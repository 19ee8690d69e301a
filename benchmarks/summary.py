"""Rates, ratios and costs out of the raw numbers of a run. Nothing is measured here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from benchmarks import bill

Raw = Mapping[str, Any]


def summarise(result: Raw) -> dict[str, Any]:
    """Every section's summary, as JSON holds it."""
    comparisons = [
        {
            "width": one["width"],
            "constrained": one["constrained"],
            "rows": _compared(one["rows"], result["floor"]),
        }
        for one in result["comparisons"]
    ]
    scaling = [
        {"width": one["width"], "rows": [_row(raw, result["floor"]) for raw in one["rows"]]}
        for one in result["scaling"]
    ]
    return {
        "comparisons": comparisons,
        "quality": [_quality(one) for one in result["quality"]],
        "scaling": scaling,
        "bf16": None if result["bf16"] is None else bf16_against_seeds(result["bf16"]),
        "bills": _bills(comparisons, result["machine"], result["settings"]["trial_overhead"]),
    }


def turn_rates(turn: Raw) -> dict[str, float]:
    """Images per second of a turn, in sum over its processes.

    `train`: over the time of training alone. The trainer's validation is timed beside its turn and taken off
    on a CPU; on a GPU replicates overlap, and the whole epoch counts. `epoch`: over whole epochs.
    """
    processes, validations = turn["processes"], turn["validations"]
    images = sum(p["train_images"] for p in processes)
    wall = max(p["end"] for p in processes) - min(p["start"] for p in processes)
    busy = sum(p["end"] - p["start"] for p in processes)
    training = sum(_training_seconds(p, v) for p, v in zip(processes, validations, strict=True))
    return {
        "train": images / (wall * training / busy),
        "epoch": images / wall,
        "validation": sum(v["images"] / v["seconds"] for v in validations),
    }


def _training_seconds(process: Raw, validation: Raw) -> float:
    whole = float(process["end"] - process["start"])
    if process["train_seconds"] is not None:
        return float(process["train_seconds"])
    if process["overlaps"]:
        return whole
    validating = float(process["validation_images"] * validation["seconds"] / validation["images"])
    # Of a tiny epoch the noise may leave nothing; then nothing is taken off.
    return whole - validating if validating < whole else whole


def _compared(rows: Sequence[Raw], floor: Raw) -> list[dict[str, Any]]:
    """The rows with ratios to plain and to tuned plain, taken within each round."""
    rates = {raw["row"]: [turn_rates(turn) for turn in raw["turns"]] for raw in rows}
    summaries = []
    for raw in rows:
        summary = _row(raw, floor)
        for name, base in (("plain", "plain"), ("tuned", "plain, tuned")):
            rounds = list(zip(rates[raw["row"]], rates[base], strict=False))
            for what in ("train", "validation"):
                ratios = [own[what] / other[what] for own, other in rounds]
                summary[f"{what}_ratio_to_{name}"] = spread(ratios)
        summaries.append(summary)
    return summaries


def _row(raw: Raw, floor: Raw) -> dict[str, Any]:
    case = raw["cases"][0]
    precision = case["precision"]
    rates = [turn_rates(turn) for turn in raw["turns"]]
    train = spread([rate["train"] for rate in rates])
    flop, matmul = floor["flop_per_image"][str(case["width"])], floor["matmul"].get(precision)
    joules = [
        1000 * turn["joules"] / sum(p["train_images"] for p in turn["processes"])
        for turn in raw["turns"]
        if turn["joules"] is not None
    ]
    peak = sum(end["peak_memory_bytes"] for end in raw["ends"]) if raw["ends"] else None
    return {
        "row": raw["row"],
        "failure": raw["failure"],
        "kind": case["kind"],
        "replicates": raw["replicates"],
        "processes": len(raw["cases"]),
        "threads": case["threads"],
        "precision": precision,
        "train": train,
        "epoch": spread([rate["epoch"] for rate in rates]),
        "validation": spread([rate["validation"] for rate in rates]),
        "floor_share": train["median"] * flop / matmul if train and matmul else None,
        "peak_memory_bytes": peak,
        "joules_per_1000_images": statistics.median(joules) if joules else None,
        "warm_up_seconds": _warm_up_seconds(raw["warm_up"]),
    }


def _warm_up_seconds(warm_up: Raw | None) -> float | None:
    if warm_up is None:
        return None
    return float(max(p["end"] - p["start"] for p in warm_up["processes"]))


def spread(values: Sequence[float]) -> dict[str, Any] | None:
    """Median, least and most of some values, and how many; None of none."""
    if not values:
        return None
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "rounds": len(values),
    }


def _quality(one: Raw) -> dict[str, Any]:
    """Mean and standard deviation (n - 1) over seeds of the last epoch's validation AUROC."""
    last = [values[-1] for values in one["auroc"].values()]
    return {
        **{key: one[key] for key in ("width", "constrained", "row", "epochs", "train_images", "failure")},
        "seeds": len(last),
        "auroc_mean": statistics.fmean(last) if last else None,
        "auroc_sd": statistics.stdev(last) if len(last) > 1 else None,
    }


def bf16_against_seeds(raw: Raw) -> dict[str, Any]:
    """How far bf16 takes a seed, and how far apart two seeds of float32 are.

    Two measures, each a mean over seeds or over pairs of seeds: the difference of the best validation AUROC,
    and the root mean square difference of the validation scores (logits) at the best epoch.
    """
    auroc, bf16_auroc = _best_auroc(raw["float32"]), _best_auroc(raw["bf16"])
    scores, bf16_scores = raw["float32"]["scores"], raw["bf16"]["scores"]
    seeds = sorted(auroc, key=int)
    pairs = list(combinations(seeds, 2))

    def mean(values: Sequence[float]) -> float | None:
        return statistics.fmean(values) if values else None

    found: dict[str, Any] = {
        "seeds": len(seeds),
        "auroc_bf16": mean([abs(bf16_auroc[s] - auroc[s]) for s in seeds]),
        "auroc_seeds": mean([abs(auroc[s] - auroc[t]) for s, t in pairs]),
        "scores_bf16": mean([_rms(bf16_scores[s], scores[s]) for s in seeds]),
        "scores_seeds": mean([_rms(scores[s], scores[t]) for s, t in pairs]),
    }
    found["holds"] = pairs != [] and all(
        found[f"{measure}_bf16"] < found[f"{measure}_seeds"] for measure in ("auroc", "scores")
    )
    return found


def _best_auroc(trained: Raw) -> dict[str, float]:
    """The best validation AUROC of each seed."""
    return {seed: max(values) for seed, values in trained["auroc"].items()}


def _rms(one: Sequence[float], other: Sequence[float]) -> float:
    return math.sqrt(statistics.fmean((a - b) ** 2 for a, b in zip(one, other, strict=True)))


def _bills(comparisons: Sequence[Raw], machine: Raw, overhead: float | None) -> list[dict[str, Any]]:
    """The studies at the rate of our fastest row, by whole epochs, where their width was measured."""
    bills = []
    for name, trials in bill.studies().items():
        work = bill.workload(trials)
        rates = {}
        for one in comparisons:
            ours = [row["epoch"]["median"] for row in one["rows"] if row["kind"] == "ours" and row["epoch"]]
            if one["width"] == work["width"] and ours:
                rates[one["constrained"]] = max(ours)
        if rates:
            cost: dict[str, float | None] = {**bill.hours(work, rates, overhead or 0.0)}
            if overhead is None:
                cost["overhead_share"] = None
            measured = {"with" if constrained else "without": rate for constrained, rate in rates.items()}
            core_hours = (cost["hours"] or 0.0) * machine["cores"] if machine["device"] == "cpu" else None
            bills.append(
                {
                    "study": name,
                    **work,
                    "rates": measured,
                    **cost,
                    "core_hours": core_hours,
                    "trial_overhead": overhead,
                }
            )
    return bills
