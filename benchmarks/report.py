"""A run's summary as Markdown; the same text is printed and becomes a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Raw = Mapping[str, Any]
PAIRED = ("comparisons", "scaling")


def markdown(result: Raw, figure: str | None = None) -> str:
    """The whole report of a result that carries its `summary`; `figure`: its picture's path, linked last."""
    summary = result["summary"]
    parts = [_machine(result)]
    parts += [_comparison(one) for one in summary["comparisons"]]
    if summary["comparisons"]:
        parts.append(_legend(result["machine"]["device"]))
    for title, section, write in (
        ("Quality", summary["quality"], _quality),
        ("Replicates per device", summary["scaling"], _scaling),
        ("bf16 against float32", summary["bf16"], lambda bf16: _bf16(bf16, result)),
        ("The studies' bills", summary["bills"], lambda bills: _bills(bills, result["machine"]["device"])),
    ):
        if section:
            parts.append(f"## {title}\n\n{write(section)}")
    if figure is not None and summary["scaling"]:
        parts.append(f"![Training images per second and peak memory against replicates]({figure})")
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column left-aligned and the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(result: Raw) -> str:
    machine, settings, rates = result["machine"], result["settings"], result["floor"]["matmul"]
    place = machine["processor"] + f", {machine['cores']} cores, {machine['vector_instructions']}"
    if machine["device"] == "cuda":
        place = f"{machine['gpu']} (driver {machine['driver']}); host: {place}"
    bf16 = "bf16 instructions" if machine["bf16_instructions"] else "no bf16 instructions"
    measured = ", ".join(f"{rate / 1e12:.3g} TFLOP/s in {name}" for name, rate in sorted(rates.items()))
    versions = machine["versions"]
    rounds = settings["pairs"] * bool(result["comparisons"]) or settings["scaling_rounds"]
    task = f"CIFAR-10 1:{settings['ratio']:g}, {result['train_images']} training images an epoch"
    return "\n".join(
        [
            "# Benchmark",
            "",
            f"{place}; {bf16}. Matrix products: {measured}.",
            f"torch {versions['torch']}, torchvision {versions['torchvision']}, Python {versions['python']}, "
            f"{result['created']}, commit {machine['commit'][:12]}.",
            f"ResNet-10, batch 64, {task}, a single process with {_threads(settings['threads'])}; "
            f"up to {rounds} rounds of at least {settings['seconds']:g} s and one epoch. "
            f"Energy: {result['energy']}. MPS: {result['mps']}. {_circumstances(result)}",
        ]
    )


def _circumstances(result: Raw) -> str:
    """What else the machine did, and what the time did not reach."""
    comparisons, scaling = ([raw for one in result[part] for raw in one["rows"]] for part in PAIRED)
    loads = [turn["load_average"] for raw in (*comparisons, *scaling) for turn in raw["turns"]]
    text = f"Load average: {result['load_average_before']:.1f} before"
    if loads:
        text += f", {min(loads):.1f} to {max(loads):.1f} during (the measured processes count)"
    if result["sections_left_out"]:
        text += f". The time given did not reach {result['sections_left_out']} more sections"
    return text + "."


def _comparison(one: Raw) -> str:
    title = f"## Width {one['width']}, {'with' if one['constrained'] else 'without'} constraint"
    header = (
        *("", "training images/s", "to plain", "to tuned", "validation images/s", "to plain"),
        *("share of floor", "peak memory", "J per 1,000 images", "warm-up"),
    )
    rows = []
    for row in one["rows"]:
        rows.append(
            [
                _named(row),
                _spread(row["train"]),
                _times(row["train_ratio_to_plain"]),
                _times(row["train_ratio_to_tuned"]),
                _spread(row["validation"]),
                _times(row["validation_ratio_to_plain"]),
                _percent(row["floor_share"]),
                _bytes(row["peak_memory_bytes"]),
                _number(row["joules_per_1000_images"]),
                _number(row["warm_up_seconds"], " s"),
            ]
        )
    failures = [f"{row['row']} failed: {row['failure']}." for row in one["rows"] if row["failure"]]
    return "\n\n".join([title, table(header, rows), *failures])


def _legend(device: str) -> str:
    memory = (
        "what torch reserved on the GPU" if device == "cuda" else "resident, loader processes not counted"
    )
    training, warm_up = "training alone", "the first epoch, which counts nowhere else"
    if device == "cuda":
        training = "training alone for the usual loop, whole epochs with validation for ours"
        warm_up += "; for ours the first three, in which graphs are captured"
    return (
        "Medians over rounds, least to most in brackets; in sum over replicates. "
        f"Training images/s: {training}. Ratios are taken within a round. "
        "Floor: model operations at the measured rate of matrix products in the row's precision. "
        f"Peak memory: {memory}, in sum over processes. "
        f"Warm-up: {warm_up}."
    )


def _named(row: Raw) -> str:
    times = f"{row['processes']} x " if row["processes"] > 1 else ""
    return f"{row['row']} ({row['precision']}, {times}{_threads(row['threads'])})"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _quality(section: Sequence[Raw]) -> str:
    rows = [
        [
            f"width {one['width']}, {'with' if one['constrained'] else 'without'} constraint: {one['row']}",
            str(one["epochs"]),
            f"{one['train_images']:,}",
            str(one["seeds"]),
            _number(one["auroc_mean"]),
            _number(one["auroc_sd"]),
        ]
        for one in section
    ]
    header = ("", "epochs", "of images", "seeds", "validation AUROC", "deviation")
    note = "After the last of the epochs, over seeds; every loop trains and validates on the same images."
    failures = [f"{one['row']} failed: {one['failure']}." for one in section if one["failure"]]
    return "\n\n".join([table(header, rows), note, *failures])


def _scaling(section: Sequence[Raw]) -> str:
    header = ("", "training images/s", "share of floor", "peak memory", "per replicate")
    rows = [
        [
            f"width {one['width']}: {row['row']}",
            _spread(row["train"]),
            _percent(row["floor_share"]),
            _bytes(row["peak_memory_bytes"]),
            _bytes(row["peak_memory_bytes"] and row["peak_memory_bytes"] / row["replicates"]),
        ]
        for one in section
        for row in one["rows"]
    ]
    return table(header, rows) + "\n\nOne trial in one process, with the constraint."


def _bf16(found: Raw, result: Raw) -> str:
    rows = [
        [name, _number(found[f"{key}_bf16"]), _number(found[f"{key}_seeds"])]
        for name, key in (("best validation AUROC", "auroc"), ("validation logits (RMS)", "scores"))
    ]
    header = ("mean difference", "bf16 and float32, same seed", "two float32 seeds")
    raw = result["bf16"]
    verdict = "bf16 differs by less" if found["holds"] else "**bf16 does not differ by less**"
    work = f"{raw['epochs']} epochs of {raw['train_images']:,} images"
    text = f"{found['seeds']} seeds, width {raw['width']}, {work}, with constraint: {verdict}."
    if not result["machine"]["bf16_instructions"]:
        text += (
            " This processor has no bf16 instructions and emulates them: the numbers count, no speed does."
        )
    return table(header, rows) + f"\n\n{text}"


def _bills(section: Sequence[Raw], device: str) -> str:
    header = ("study", "trials", "replicates", "training images", f"{device} hours", "core-hours", "overhead")
    rows = [
        [
            one["study"],
            f"{one['trials']:,}",
            f"{one['replicates']:,}",
            f"{one['constrained_images'] + one['other_images']:.3g}",
            f"{one['hours']:,.1f}",
            "" if one["core_hours"] is None else f"{one['core_hours']:,.0f}",
            "not counted" if one["overhead_share"] is None else _percent(one["overhead_share"]),
        ]
        for one in section
    ]
    rates = ", ".join(f"{rate:,.0f} {name} constraint" for name, rate in section[0]["rates"].items())
    note = f"All epochs, none stopped early, at {rates} (images per second of whole epochs, the fastest row)."
    if (overhead := section[0]["trial_overhead"]) is not None:
        note += f" Overhead: {overhead:g} s a trial beside its training."
    if len(section[0]["rates"]) == 1:
        note += " The rate of the other kind of trial was not measured; this one stands for both."
    return table(header, rows) + f"\n\n{note}"


def _spread(spread: Raw | None) -> str:
    if spread is None:
        return "–"
    return f"{spread['median']:,.0f} ({spread['min']:,.0f} to {spread['max']:,.0f})"


def _times(spread: Raw | None) -> str:
    if spread is None:
        return "–"
    return f"{spread['median']:.2f} ({spread['min']:.2f} to {spread['max']:.2f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} %"


def _bytes(count: float | None) -> str:
    return "–" if count is None else f"{count / 2**20:,.0f} MiB"


def _number(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.3g}{unit}"
