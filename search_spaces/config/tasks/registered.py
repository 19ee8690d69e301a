"""Every task as one type of field, told apart by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

from pydantic import Discriminator, Tag

from search_spaces.config.tasks.base import Task
from search_spaces.config.tasks.binary import Binary
from search_spaces.config.tasks.multiclass import MultiClass
from search_spaces.config.tasks.multilabel import MultiLabel

# A new one is added here.
TASKS: tuple[type[Task], ...] = (Binary, MultiClass, MultiLabel)


def _kind_of(given: Any) -> Any:
    """The kind of a task, given as one or as a mapping: what its key `task` says, and without one binary."""
    if isinstance(given, Task):
        return given.kind
    return given.get("task", Binary.kind) if isinstance(given, dict) else Binary.kind


def task_type(given: Any) -> type[Task]:
    """The type of a task, given as one or as a mapping; of an unknown kind binary's."""
    kind = _kind_of(given)
    return next((task for task in TASKS if task.kind == kind), Binary)


def ratio_key(given: Any) -> str:
    """The field below `data` that says the ratio of a task of the given kind; of an unknown one binary's."""
    return task_type(given).ratio_key


def without_default_kind(given: Mapping[str, object]) -> dict[str, object]:
    """A task as a person may write it, `task: binary` left out: no stored configuration says so."""
    fields = dict(given)
    if fields.get("task") == Binary.kind:
        del fields["task"]
    return fields


if TYPE_CHECKING:
    DataConfig: TypeAlias = Task
else:
    _MEMBERS = tuple(Annotated[task, Tag(task.kind)] for task in TASKS)
    DataConfig = Annotated[Union[_MEMBERS], Discriminator(_kind_of)]  # noqa: UP007
