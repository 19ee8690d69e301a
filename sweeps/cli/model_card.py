"""The card of an exported model: what it was made from, how good it is, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.render.document import MISSING
from analysis.render.escape import markdown_text
from search_spaces.errors import InputError
from search_spaces.labels import trial_label
from search_spaces.words import count
from sweeps.cli.metric_report import metric_report
from sweeps.cli.metric_words import value_words
from sweeps.cli.threshold_report import rates_of, unresolved_lines

if TYPE_CHECKING:
    from search_spaces.config import Targets
    from trainer.export.folder import ModelFacts
    from trainer.export.trial import Exported


def stored_words(leaving: Exported, data_dir: Path | None) -> str:
    """How far the trial's stored test scores are from those in float32, or why that was not compared."""
    from trainer.data.task import load_task
    from trainer.export.trial import stored_difference

    precision = leaving.config.precision
    try:
        data = load_task(leaving.config.data, data_dir)
    except InputError as error:
        return f"stored test scores ({precision}): not compared with float32: {error}"
    known = {leaving.store.replicates.read_result(one)["data_sha256"] for one in leaving.done.values()}
    if known != {data.sha256}:
        return f"stored test scores ({precision}): not compared with float32: the data have changed"
    difference = stored_difference(leaving, data)
    return f"stored test scores ({precision}): at most {difference:.1e} from those in float32"


def model_card(leaving: Exported, facts: ModelFacts, compared: str, rates: Targets) -> str:
    """The card as Markdown. `compared` is the line of `stored_words`; ROC curves are read at `rates`."""
    parts = [
        [f"# Model card: {markdown_text(trial_label(leaving.config))}"],
        _what(leaving, facts),
        _data(leaving),
        _metrics(leaving, rates),
        _thresholds(leaving, facts),
        _use(facts),
        _limits(leaving, facts, compared),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _what(leaving: Exported, facts: ModelFacts) -> list[str]:
    config, networks = leaving.config, count(len(facts.seeds), "network")
    seeds = ", ".join(map(str, facts.seeds))
    return [
        f"- Trial `{facts.trial}` of almsweep {facts.versions.get('almsweep', '')}; seeds {seeds}: "
        f"the mean of {networks}, each averaged over its scored epochs ({config.scored}).",
        f"- Network: {config.model.name}, {count(len(facts.outputs), 'output')}; "
        f"trained in {config.precision}, written in float32.",
        f"- Outputs: {', '.join(map(markdown_text, facts.outputs))} (logits: not calibrated probabilities).",
    ]


def _data(leaving: Exported) -> list[str]:
    result = leaving.store.replicates.read_result(leaving.done[leaving.seeds[0]])
    task = leaving.config.data
    rows = [(name.replace("_", " "), f"{number:,}") for name, number in result["counts"].items()]
    return [
        "## Data",
        "",
        f"{markdown_text(task.title)}: {markdown_text(task.role_words())}. SHA-256 of the data: "
        f"`{result['data_sha256']}`.",
        "",
        *_table(("examples", "number"), rows),
    ]


def _metrics(leaving: Exported, rates: Targets) -> list[str]:
    from trainer.tasks.base import task_arrays

    config, found = leaving.config, leaving.outputs("test")
    arrays = task_arrays(config.data, rates)
    report = metric_report(config, found.targets, found.outputs, found.groups, rates)
    summary = arrays.summarize(found.targets, found.outputs, decides_at_zero=config.loss.decides_at_zero)
    rows = []
    for row in report.rows:
        rows.append((row.header, value_words(row.metric, summary[row.metric.name]), row.interval))
    told = f"{count(len(found.targets), 'example')}, {arrays.count_words(found.targets)}"
    lines = ["## Metrics on the test split", "", f"Of the stored scores: {told}.", ""]
    lines += _table(("metric", "value", "95 % interval"), rows)
    if report.has_intervals:
        lines += ["", f"Intervals draw {report.drawn}."]
    for note in report.notes:
        lines += ["", f"{markdown_text(note)}."]
    reason = arrays.undefined_reason(found.targets, found.outputs)
    return lines if reason is None else [*lines, "", f"{MISSING}: {reason}"]


def _thresholds(leaving: Exported, facts: ModelFacts) -> list[str]:
    from trainer.tasks.thresholds import judge

    lines = ["## Thresholds", ""]
    if facts.thresholds:
        found = leaving.outputs("test")
        tested = judge(leaving.config.data, found.targets, found.outputs, facts.thresholds)
        rows = []
        for one, test in zip(facts.thresholds, tested, strict=True):
            rows.append((one.column, one.rule, f"{one.value:.6g}", *rates_of(one), *rates_of(test)))
        head = (
            "of",
            "rule",
            "score of at least",
            "TPR, validation",
            "FPR, validation",
            "TPR, test",
            "FPR, test",
        )
        lines += ["Chosen on validation, applied to test as they are.", "", *_table(head, rows)]
    else:
        lines.append("None.")
    if facts.not_resolved:
        lines += ["", "Not resolved, and therefore not given:", ""]
        lines += [f"- {markdown_text(line)}" for line in unresolved_lines(facts.not_resolved)]
    return lines


def _use(facts: ModelFacts) -> list[str]:
    return [
        "## Intended use",
        "",
        "Research, on images like those that it was trained on. "
        "It is no medical device, and decides about nobody.",
        "",
        f"Input: {facts.input}; here channels {facts.channels}, size {facts.size}. "
        "`almsweep predict` decodes and resizes as training did: upright, transparency on white, "
        "with an antialiased bilinear filter.",
    ]


def _limits(leaving: Exported, facts: ModelFacts, compared: str) -> list[str]:
    lines = ["## Limits", ""]
    for name, difference in facts.difference.items():
        lines.append(f"- {name}: at most {difference:.1e} from the trainer's float32 scores.")
    lines += [
        f"- {markdown_text(compared)}. Differences are relative to max(1, |score|).",
        "- Intervals tell of other test examples, or patients, of the same kind, not of other hospitals, "
        "cameras or years: "
        "`almsweep evaluate TRIAL --data FOLDER` judges it on those at these thresholds.",
    ]
    ended = leaving.store.replicates.ended(leaving.config.trial_id)
    left = sorted(set(ended) - set(facts.seeds))
    if left:
        lines.append(f"- Not part of it: seeds {', '.join(map(str, left))} of the trial.")
    return lines


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        lines.append(f"| {' | '.join(map(markdown_text, row))} |")
    return lines
