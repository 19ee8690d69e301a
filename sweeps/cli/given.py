"""What was given on the command line: as the options of a run, and as words again for a Ray job."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import typer

from search_spaces.errors import InputError
from search_spaces.words import did_you_mean
from sweeps.hints import is_given, option_words

if TYPE_CHECKING:
    from search_spaces.config.base import Frozen
    from sweeps.options import RunOptions
    from trainer.options import TrialOptions

Command = Callable[..., None]


def with_options(declared: type) -> Callable[[Command], Command]:
    """Give a command the options that a class declares (see `sweeps.cli.options`), after its own.

    The command is not called with them; `run_options` takes them from its context.
    """
    shared = []
    for name, annotation in get_type_hints(declared, include_extras=True).items():
        default = getattr(declared, name)
        shared.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(**{name: given[name] for name in own.parameters})

        parameters = [*own.parameters.values(), *shared]
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def run_options(context: typer.Context) -> RunOptions:
    """Where and how a sweep runs: this command's options, each in the field of its name, else the defaults.

    Raises InputError for a choice that there is not.
    """
    from sweeps.options import RunOptions

    return RunOptions(trial=trial_options(context), **_fields(RunOptions, context))


def trial_options(context: typer.Context) -> TrialOptions:
    """How a trial is run, likewise. Raises InputError for a choice that there is not."""
    from trainer.options import TrialOptions

    return TrialOptions(**_fields(TrialOptions, context))


def _fields(bag: type[Frozen], context: typer.Context) -> dict[str, Any]:
    """The values of this command's parameters that have a field of their name in a bag of options."""
    found = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in bag.model_fields:
            continue
        found[name] = context.params[name]
        kind = bag.model_fields[name].annotation
        if get_origin(kind) is Literal and found[name] not in get_args(kind):
            choices = ", ".join(get_args(kind))
            hint = did_you_mean(found[name], get_args(kind))
            raise InputError(f"{parameter.opts[0]}: expected one of {choices}, given {found[name]!r}{hint}")
    return found


def given_arguments(
    context: typer.Context, *, without: Collection[str] = (), from_environment: Collection[str] = ()
) -> list[str]:
    """The arguments and options of a command as given on its command line.

    Parameters named in `without` are left out; those in `from_environment` count when the environment gives
    them, too.
    """
    words: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or name in without:
            continue
        is_told = source.name == "ENVIRONMENT" and name in from_environment
        if not is_given(context, name) and not is_told:
            continue
        value: Any = context.params[name]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        else:
            words += option_words(parameter, value)
    return words
