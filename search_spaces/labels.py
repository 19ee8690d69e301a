"""Short texts for tables, logs and run names. Configurations of one sweep that differ get labels that differ.

A label starts with the words of the paper's tables; whatever departs from the data set's preset
(`search_spaces.presets`) is added behind them as `key=value`, under the keys of a space. Data without a
preset are called by their `label`, or by their title and what their classes are. What is then still alike is
told apart by what differs within the sweep (`BlockLabels`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from search_spaces.config import Task, TrialConfig, number
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.policies import policy_name
from search_spaces.presets import PRESETS, TASKS
from search_spaces.problem import Problem

# Behind trials, and rows, whose sampler and loss both make up for rare classes.
CORRECTED_TWICE = "(corrected twice)"

_ABSENT = object()


class BlockLabels:
    """The labels of the blocks of one sweep, as short as tells them apart.

    Of blocks that would be called alike each has what differs behind its name, as `key=value`. No two have
    one label.
    """

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        """`tasks` are those of all trials, as far as they are known."""
        blocks = {block_key(task): task for task in dict.fromkeys(tasks)}
        alike: dict[str, list[Task]] = {}
        for task in blocks.values():
            alike.setdefault(block_label(task), []).append(task)
        self._told: dict[str, tuple[str, ...]] = {}
        for text, several in alike.items():
            self._told[text] = _differing(several)
        self._known: dict[Task, str] = {}
        self._owners: dict[str, str] = {}
        for task in blocks.values():
            self.block(task)

    def block(self, data: Task) -> str:
        """The label of a block: "cifar10 1:100", "pets 1:10 (cat vs dog)"."""
        known = self._known.get(data)
        if known is None:
            known = self._known[data] = self._new(data)
        return known

    def data_set(self, data: Task) -> str:
        """The label of a block's data, whatever the ratio: "cifar10", "pets (cat vs dog)"."""
        whole = data.with_ratio(None)
        return self.block(whole).replace(f" {whole.ratio_words()}", "", 1)

    def trial(self, config: TrialConfig) -> str:
        """All of a trial in one line: "cifar10 1:100 baseline_s_LM_m05 ALM_16_beg delta=0.1"."""
        words = [self.block(config.data), loss_name(config.loss)]
        if config.constraint is not None:
            words += [constraint_name(config.constraint), f"delta={number(config.constraint.margin)}"]
        words.append(settings_label(config))
        if config.corrects_twice:
            words.append(CORRECTED_TWICE)
        return " ".join(filter(None, words))

    def _new(self, data: Task) -> str:
        text = block_label(data)
        fields = flat(data.model_dump(mode="json"))
        words = [text]
        for key in self._told.get(text, ()):
            if key in fields:
                words.append(f"{key.removesuffix('.package')}={_text(fields[key])}")
        label, key = " ".join(words), block_key(data)
        if self._owners.setdefault(label, key) != key:  # a label of a person's may read like ours
            label = f"{label} #{hashlib.sha256(key.encode()).hexdigest()[:6]}"
        return label


def block_label(data: Task) -> str:
    """The label of a block that stands alone: the data set and its ratio.

    Then, in a few words, the classes and whatever else is not the preset's. Of data without a preset, which
    nothing is known to depart from, the classes' roles are all; a `label` of its own stands for them too.

    >>> block_label(TASKS["cifar10"].with_ratio(100.0))
    'cifar10 1:100'
    """
    ratio = data.ratio_words()
    if data.label is not None:
        return f"{data.label} {ratio}"
    roles = f"({_one_line(data.role_words())})"
    task = task_name(data)
    if task is None:
        return f"{data.title} {ratio} {roles}"
    preset = TASKS[task].with_ratio(None)
    expected = flat(preset.model_dump(mode="json"))
    given = flat(data.with_ratio(None).model_dump(mode="json"))
    words = [task, ratio]
    if any(given[role] != expected[role] for role in data.roles):
        words.append(roles)
    departing = {key: value for key, value in given.items() if key not in data.roles}
    return " ".join([*words, *_differences(departing, expected)])


def block_key(data: Task) -> str:
    """Canonical JSON of the block, equal exactly for equal configurations."""
    return json.dumps(data.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def settings_label(config: TrialConfig) -> str:
    """The settings beside block, loss, constraint and seeds that are not the preset's; "" if all are.

    For example "model.width=16 epochs=20". Without a preset: against the defaults.
    """
    exclude = {"data", "loss", "constraint", "seeds"}
    task = task_name(config.data)
    preset = PRESETS[task] if task else {}
    fields: dict[str, Any] = {**preset, "data": config.data, "loss": config.loss}
    plain = TrialConfig.model_construct(**fields)
    told_by_name = config.augmentation != plain.augmentation and config.augmentation.then
    if told_by_name:
        exclude.add("augmentation")
    given = flat(config.model_dump(mode="json", exclude=exclude))
    expected = flat(plain.model_dump(mode="json", exclude=exclude))
    words = _differences(given, expected)
    if told_by_name:
        words.append(f"augmentation={policy_name(config.augmentation)}")
    return " ".join(words)


def trial_label(config: TrialConfig) -> str:
    """All of a trial that stands alone in one line."""
    return BlockLabels().trial(config)


def check_labels(trials: Iterable[TrialConfig]) -> None:
    """Raises Problem where trials of one block have two labels."""
    labels: dict[Task, str | None] = {}
    for data in dict.fromkeys(trial.data for trial in trials):
        block = data.bare()
        other = labels.setdefault(block, data.label)
        if other != data.label:
            given = " and ".join("none" if one is None else _text([one])[1:-1] for one in (other, data.label))
            raise Problem("data.label", f"one label for {block_label(block)}", given)


def relabelled(trials: Iterable[TrialConfig], tasks: Iterable[Task]) -> tuple[TrialConfig, ...]:
    """The trials with the labels and permissions of these tasks' blocks; those of others keep theirs."""
    said = {block_key(task): task for task in dict.fromkeys(tasks)}
    changed: dict[Task, Task] = {}
    found = []
    for trial in trials:
        if trial.data not in changed:
            task = said.get(block_key(trial.data), trial.data)
            unstored = {"label": task.label, "replace_splits": task.replace_splits}
            changed[trial.data] = trial.data.model_copy(update=unstored)
        data = changed[trial.data]
        found.append(trial if data == trial.data else trial.model_copy(update={"data": data}))
    return tuple(found)


def task_name(data: Task) -> str | None:
    """The preset that is this task at some ratio, else the first of its kind with this source, or None.

    >>> task_name(TASKS["digits-critical"]), task_name(TASKS["digits"])
    ('digits-critical', 'digits')
    """
    of_any_ratio = data.with_ratio(None).bare()
    similar = [n for n, task in TASKS.items() if task.source == data.source and task.kind == data.kind]
    for name in similar:
        if TASKS[name].with_ratio(None) == of_any_ratio:
            return name
    return similar[0] if similar else None


def spelled_out(value: object) -> object:
    """A configuration as plain values, with the fields at their defaults that nothing stored holds.

    But not that something is of no plug-in.
    """
    if isinstance(value, BaseModel):
        fields = {name: spelled_out(part) for name, part in value}
        if fields.get("plugin", "") is None:
            del fields["plugin"]
        return fields
    if isinstance(value, tuple):
        return list(map(spelled_out, value))
    return value


def flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested mappings as one mapping with dotted keys.

    >>> flat({"model": {"name": "resnet10", "width": 64}, "epochs": 3})
    {'model.name': 'resnet10', 'model.width': 64, 'epochs': 3}
    """
    result: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result


def _differing(tasks: Sequence[Task]) -> tuple[str, ...]:
    """The keys in which tasks of one name differ; nothing of a single one."""
    seen: dict[str, set[str]] = {}
    for task in tasks:
        for key, value in flat(task.model_dump(mode="json")).items():
            seen.setdefault(key, set()).add(json.dumps(value))
    counts = {key: len(values) for key, values in seen.items()}
    everywhere = set(seen)
    for task in tasks:
        everywhere &= flat(task.model_dump(mode="json")).keys()
    return tuple(key for key in seen if counts[key] > 1 or key not in everywhere)


def _differences(given: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    found = []
    for key, value in given.items():
        part, _, fact = key.partition(".plugin.")
        if fact == "package":
            found.append(f"{part}.plugin={_text(value)}")
        elif fact:
            continue  # the package says enough of what is stored with a plug-in's member
        elif expected.get(key, _ABSENT) != value:
            found.append(f"{key}={_text(value)}")
    return found


def _text(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "none" if value is None else str(value)


def _one_line(text: str) -> str:
    """The text with what would break a line, or command a terminal, written as JSON does."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
