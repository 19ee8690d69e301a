"""The reference pages, made from the types and docstrings that say what they hold: `make reference`.

docs/reference/keys.md      every key of a space's file and of a trial
docs/reference/names.md     named spaces, presets, losses, constraints, classes
docs/reference/metrics.md   every metric, of each kind of task
docs/reference/files.md     every file of an output folder, and what it holds

`tests/test_reference.py` holds that they are what this program writes.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import analysis.across_frame
import analysis.authors_frame
import analysis.calibration_frame
import analysis.class_counts
import analysis.co_occurrence
import analysis.comparison_frame
import analysis.confirmed
import analysis.confusion
import analysis.frames
import analysis.importance
import analysis.label_curves
import analysis.labels
import analysis.numbers.effect
import analysis.numbers.epochs
import analysis.numbers.landscape
import analysis.numbers.ranks
import analysis.numbers.reliability
import analysis.numbers.roc
import analysis.operating_frame
import analysis.pictures
import analysis.provenance
import analysis.rank_frame
import analysis.tables
import search_spaces.domains
import search_spaces.keys
import search_spaces.search_block
import search_spaces.yaml.space
import trainer.replicate
import trainer.results
import trainer.store.layout
import trainer.store.manifest
import trainer.store.outputs
from docs.described import default_words, fields_of, meanings, meanings_in, summary, type_words
from search_spaces.catalog import NAMED_SPACES
from search_spaces.config import (
    DEFAULT_TARGETS,
    LOSS_TYPES,
    SOURCE_TYPES,
    Classes,
    MedMnist,
    Metric,
    TrialConfig,
)
from search_spaces.config.class_names import MEDMNIST
from search_spaces.config.tasks.registered import TASKS
from search_spaces.keys import SHORT_FORMS
from search_spaces.paper.named import CONSTRAINTS, LOSSES, NO_CONSTRAINT
from search_spaces.presets import PRESETS
from search_spaces.problem import models_in
from search_spaces.words import count
from sweeps.capacity.probe import measured
from sweeps.driver.claim import Claimant
from sweeps.driver.lease import Lease
from sweeps.search.suggestions import write_suggestion
from sweeps.tracking.mirror import sweep_runs
from trainer.store.index import Index
from trainer.store.joined import Joined
from trainer.store.markers import marker_content
from trainer.store.notes import Notes
from trainer.trial_needs import TrialNeeds

FOLDER = Path(__file__).parent / "reference"
NOTICE = "Written by `make reference` from the program's own types and docstrings; do not edit."


@functools.cache
def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {
        "keys.md": _page("Keys", _keys()),
        "names.md": _page("Names", _names()),
        "metrics.md": _page("Metrics", _metrics()),
        "files.md": _page("Files of an output folder", _files()),
    }


def _page(title: str, blocks: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", NOTICE, *blocks]) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        lines.append(" | ".join(cell.replace("|", "\\|") for cell in row))
    return "\n".join(f"| {line} |" for line in lines)


def _entries(documented: object, head: Sequence[str] = ("key", "meaning")) -> str:
    """The table of a docstring as a table of a page."""
    return _table(head, _rows(_told(documented)))


def _rows(told: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", text) for name, text in told.items()]


def _told(documented: object) -> dict[str, str]:
    """The entries of a docstring, or of a text. Raises LookupError where there is none: a page would lie."""
    found = meanings_in(documented) if isinstance(documented, str) else meanings(documented)
    if not found:
        raise LookupError(f"{documented!r}: expected a docstring with a table, found none")
    return found


def _code(documented: object) -> str:
    """The indented block of a docstring."""
    lines = [line for line in (documented.__doc__ or "").splitlines() if line.startswith("    ")]
    return "\n".join(["```", *(line[4:] for line in lines), "```"])


def _keys() -> Iterator[str]:
    yield "## A space's file"
    yield _entries(search_spaces.yaml.space)
    yield "### `search`"
    yield _entries(search_spaces.search_block)
    yield "### Domains, of `random` and `search`"
    yield _entries(search_spaces.domains, ("domain", "values"))
    yield "## A trial"
    yield "Keys of `fixed`, `choices`, `grid` and domains: these, the parts below, and any path into them."
    yield _table(("key", "meaning"), _short_forms())
    yield from _part("", TrialConfig, set())


def _short_forms() -> Iterator[tuple[str, str]]:
    told = _told(search_spaces.keys)
    for name in ("dataset", *SHORT_FORMS):
        yield f"`{name}`", told[name]


def _part(prefix: str, model: type[BaseModel], seen: set[tuple[str, type[BaseModel]]]) -> Iterator[str]:
    """A part's table, then a section for each type that one of its fields may hold, once for a place."""
    told = meanings(model)
    rows = []
    for name, field in fields_of(model).items():
        rows.append((f"`{prefix}{name}`", type_words(field), default_words(field), told[name]))
    if rows:
        yield _table(("key", "type and range", "default", "meaning"), rows)
    for name, field in fields_of(model).items():
        for member in models_in(field.annotation, plugins=False):
            path = f"{prefix}{name}"
            if (path, member) in seen:
                continue
            seen.add((path, member))
            yield f"### `{path}`{_which(member)}"
            yield summary(member)
            yield from _part(f"{path}.", member, seen)


def _which(member: type[BaseModel]) -> str:
    """How a member is told from the others of its kind."""
    for key in ("name", "task"):
        if key in member.model_fields:
            return f" with `{key}: {member.model_fields[key].default}`"
    return ""


def _names() -> Iterator[str]:
    yield "## Named spaces"
    yield _table(("name", "trials", "what it holds"), _spaces())
    yield "## `dataset`: presets"
    yield _table(("name", "data", "other fields"), _presets())
    yield "## `loss`: the paper's names"
    yield "Case does not matter."
    yield _table(("name", "type and parameters", "row of the table"), _losses())
    yield "## `loss`: types"
    for loss in LOSS_TYPES:
        yield f"### `{loss.type_name()}`: {loss.family}"
        yield f"For {' and '.join(sorted(loss.tasks))} tasks. {_parameters(loss)}"
        yield summary(_implementation(loss))
    yield "## `constraint`: the paper's names"
    yield f"`{NO_CONSTRAINT}` is no constraint. The margin is `delta`."
    yield _table(("name", "initial penalty (mu)", "growth (rho)"), _constraints())
    yield "## Classes by name"
    yield "`rest` in one list stands for every class that no other list names."
    for source in SOURCE_TYPES:
        if not any(field.is_required() for field in source.model_fields.values()):
            yield from _classes(source.type_name(), source.model_validate({}).classes_told)
    for subset in MEDMNIST:
        yield from _classes(subset, MedMnist(subset=subset).classes_told)


def _spaces() -> Iterator[Sequence[str]]:
    for name, build in NAMED_SPACES.items():
        space = build()
        number = count(len(space), "trial") if space.search is None else "a search"
        yield f"`{name}`", number, space.description


def _presets() -> Iterator[Sequence[str]]:
    for name, fields in PRESETS.items():
        task: Any = fields["data"]
        told = task.model_dump(mode="json", exclude_none=True)
        others = {key: value for key, value in fields.items() if key != "data"}
        yield f"`{name}`", f"`{_inline(told)}`", f"`{_inline(others)}`"


def _inline(value: object) -> str:
    """A value as YAML has it, on one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return "none" if value is None else str(value)


def _losses() -> Iterator[Sequence[str]]:
    for name, loss in LOSSES.items():
        yield f"`{name}`", f"`{_inline(loss)}`", loss.family


def _parameters(loss: type[BaseModel]) -> str:
    told, words = meanings(loss), []
    for name, field in fields_of(loss).items():
        words.append(f"`{name}` ({type_words(field)}; {default_words(field)}): {told[name]}")
    return f"{'; '.join(words)}." if words else "No parameters."


def _implementation(kind: Any) -> object:
    module, _, name = kind.implementation.partition(":")
    return getattr(importlib.import_module(module), name)


def _constraints() -> Iterator[Sequence[str]]:
    for name, constraint in CONSTRAINTS.items():
        yield f"`{name}`", f"{constraint.penalty:g}", f"{constraint.growth:g}"


def _classes(title: str, classes: Classes) -> Iterator[str]:
    yield f"### {title}"
    named = [f"{label} {classes.names.get(label, '')}".rstrip() for label in classes.every]
    yield ", ".join(named) + "."
    groups = []
    for name, members in classes.groups.items():
        groups.append((f"`{name}`", ", ".join(map(classes.name, members))))
    if groups:
        yield _table(("superclass", "its classes"), groups)


def _metrics() -> Iterator[str]:
    yield (
        "In records, results and MLflow a name stands behind `val/`, of the validation split, or `test/`. "
        "Rates are those of `tpr_targets` and `fpr_targets`; here the default ones."
    )
    yield (
        f"Shown: {meanings(Metric)['role'].removeprefix('where it is shown: ')}. Tables show those marked "
        '"tables" too. Of more than 10 classes that have a metric each, tables print none; the CSV file has '
        "them."
    )
    for task in TASKS:
        example = task.example()
        yield f"## `{task.kind}` tasks, here {example.role_words()} of {example.title}"
        yield summary(task)
        yield f"What steers is `{example.steers}`."
        rows = [_metric_row(metric) for metric in example.metrics(DEFAULT_TARGETS)]
        yield _table(("name", "meaning", "better", "in tables as", "shown"), rows)


def _metric_row(metric: Metric) -> Sequence[str]:
    shown: str = metric.role
    if metric.tabled and metric.role != "headline":
        shown += ", tables"
    return f"`{metric.name}`", metric.words, metric.better, metric.header, shown


def _files() -> Iterator[str]:
    yield "## The store"
    yield _code(trainer.store.layout)
    told: dict[str, object] = {
        "sweeps/NAME.json": trainer.store.manifest,
        "DONE": marker_content,
        "result.ATTEMPT.json": trainer.results,
        "epochs.ATTEMPT.parquet": _record_text(),
        "scores.ATTEMPT.parquet": trainer.store.outputs,
        "failure.json": Notes.write_failure,
        "stop.json": Notes.request_stop,
        "claim.json": Claimant,
        "sweeps/NAME.lease": Lease._write,
        "studies/NAME/NUMBER.json": write_suggestion,
        "index/TRIAL/STATES.json": Index.write,
        "joined/TRIAL.outputs": Joined.write,
    }
    for name, documented in told.items():
        yield f"### `{name}`"
        yield _entries(documented, ("column" if name.endswith("parquet") else "key", "meaning"))
    yield "### `probes/KEY.json`"
    yield _table(("key", "meaning"), _rows({**_told(measured), **_told(TrialNeeds)}))
    yield "### `trials/TRIAL/config.json`"
    yield "The trial's configuration ([keys](keys.md)), all of it but the seeds, and its `trial_schema`."
    yield "## MLflow"
    yield summary(sweep_runs, paragraphs=1)
    yield "## Tables and figures"
    yield "In `tables/NAME/` and `figures/NAME/`."
    yield summary(analysis.tables, paragraphs=2)
    yield _code(analysis.tables)
    yield summary(analysis.pictures, paragraphs=2)
    yield _entries(analysis.pictures, ("figure", "what it shows"))
    numbers = {
        "roc-TRIAL.csv": analysis.numbers.roc.roc_frame,
        "reliability-TRIAL.csv": analysis.numbers.reliability.reliability_frame,
        "effect.csv": analysis.numbers.effect.effect_frame,
        "ranks-NUMBER.csv": analysis.numbers.ranks.ranks_frame,
        "landscape-TRIAL.csv": analysis.numbers.landscape.landscape_frame,
        "epochs-TRIAL.csv": analysis.numbers.epochs.epochs_frame,
        "importance-NUMBER.csv": analysis.importance.importance_frame,
    }
    for name, documented in numbers.items():
        yield f"### `{name}`"
        yield _entries(documented, ("column", "meaning"))
    yield "### `best.csv`"
    yield _entries(analysis.frames.best_frame, ("column", "meaning"))
    yield "### `comparisons.csv`"
    yield _entries(analysis.comparison_frame.comparison_frame, ("column", "meaning"))
    yield "### `across.csv`"
    yield _entries(analysis.across_frame.across_frame, ("column", "meaning"))
    yield "### `ranks.csv`"
    yield _entries(analysis.rank_frame.rank_frame, ("column", "meaning"))
    yield "### `confirmed.csv`"
    yield _entries(analysis.confirmed.confirmed_frame, ("column", "meaning"))
    yield "### `published.csv`"
    yield _entries(analysis.authors_frame.authors_frame, ("column", "meaning"))
    yield "### `operating_points.csv`"
    yield _entries(analysis.operating_frame.operating_frame, ("column", "meaning"))
    yield "### `calibration.csv`"
    yield _entries(analysis.calibration_frame.calibration_frame, ("column", "meaning"))
    yield "### `confusion-TRIAL.csv`"
    yield summary(analysis.confusion, paragraphs=2)
    yield _entries(analysis.confusion.Confusion.frame, ("column", "meaning"))
    yield "### `classes.csv`"
    yield _entries(analysis.class_counts.class_frame, ("column", "meaning"))
    yield "### `labels.csv`"
    yield _entries(analysis.labels.label_frame, ("column", "meaning"))
    yield "### `precision-recall-TRIAL.csv`"
    yield _entries(analysis.label_curves.precision_recall_frame, ("column", "meaning"))
    yield "### `co-occurrence-NUMBER.csv`"
    yield _entries(analysis.co_occurrence.co_occurrence_frame, ("column", "meaning"))
    yield "### `provenance.json`"
    yield _entries(analysis.provenance.provenance)
    yield "#### An entry of its `cells`"
    yield _entries(analysis.provenance.cell_facts)


def _record_text() -> str:
    """The text behind the name `EpochRecord`, which Python itself does not keep."""
    source = Path(trainer.replicate.__file__).read_text()
    return source.partition("EpochRecord: TypeAlias")[2].split('"""')[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or say which are not level; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (given.folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
