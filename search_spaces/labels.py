"""Short texts for tables, logs and run names. Configurations that differ get labels that differ.

A label starts with the words of the paper's tables; whatever departs from the data set's preset
(`search_spaces.paper.presets`) is added behind them as `key=value`, under the keys of a space.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from search_spaces.config import Source, Task, TrialConfig, number
from search_spaces.paper.named import constraint_name, loss_name
from search_spaces.paper.presets import PRESETS, TASKS

_ABSENT = object()


def block_label(data: Task) -> str:
    """The data set and its ratio, then the class roles and splits where they are not the preset's.

    >>> block_label(TASKS["cifar10"].with_ratio(100.0))
    'cifar10 1:100'
    """
    task = task_name(data)
    expected = flat(TASKS[task].model_dump(mode="json") if task else _plain_task(data))
    given = flat(data.with_ratio(None).model_dump(mode="json"))
    extra = _differences(given, expected)
    return " ".join([task or _source_label(data.source), data.ratio_words(), *extra])


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
    given = flat(config.model_dump(mode="json", exclude=exclude))
    expected = flat(plain.model_dump(mode="json", exclude=exclude))
    return " ".join(_differences(given, expected))


def trial_label(config: TrialConfig) -> str:
    """All of the trial in one line: "cifar10 1:100 baseline_s_LM_m05 ALM_16_beg delta=0.1"."""
    words = [block_label(config.data), loss_name(config.loss)]
    if config.constraint is not None:
        words += [constraint_name(config.constraint), f"delta={number(config.constraint.margin)}"]
    return " ".join(word for word in [*words, settings_label(config)] if word)


def task_name(data: Task) -> str | None:
    """The preset that is this task at some ratio, else the first of its kind with this source, or None.

    >>> task_name(TASKS["digits-critical"]), task_name(TASKS["digits"])
    ('digits-critical', 'digits')
    """
    of_any_ratio = data.with_ratio(None)
    similar = [n for n, task in TASKS.items() if task.source == data.source and task.kind == data.kind]
    for name in similar:
        if TASKS[name] == of_any_ratio:
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


def _source_label(source: Source) -> str:
    """The data set's name, behind that of its format where that is another."""
    return source.name if source.title == source.name else f"{source.name}:{source.title}"


def _plain_task(data: Task) -> dict[str, object]:
    """What a task of this kind and source has where nothing was said but its name and its classes.

    The defaults of a plug-in's source count as said: where it is not installed, nobody knows them.
    """
    source = data.source
    plain = _defaults(type(source)) if source.plugin is None else {"name": source.name}
    if source.title_field is not None:
        plain[source.title_field] = source.title
    return {"source": plain, **_defaults(type(data))}


def _defaults(model: type[BaseModel]) -> dict[str, object]:
    return {name: field.default for name, field in model.model_fields.items() if not field.is_required()}


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
        return json.dumps(value, separators=(",", ":"))
    return "none" if value is None else str(value)
