"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search_spaces.errors import InputError
from search_spaces.redaction import has_credentials

DEFAULT_OUTPUT = "results"
DEFAULT_RULE = "ensemble-val-auroc"
KEEP_WEIGHTS = ("selected", "all", "none")


def without_credentials(
    context: typer.Context, parameter: typer.CallbackParam, value: str | None
) -> str | None:
    """A URI from the environment as it is; one from the command line must hold no password.

    Arguments can be read by every user of the machine, and are stored with a Ray job.
    """
    source = context.get_parameter_source(parameter.name or "")
    if value is not None and source is not None and source.name == "COMMANDLINE" and has_credentials(value):
        raise typer.BadParameter(
            "expected a URI without user and password; they belong in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, ~/.mlflow/credentials, PGPASSWORD or ~/.pgpass"
        )
    return value


Space = Annotated[str, typer.Argument(metavar="SPACE", help="A named space or a path to a .yaml file.")]
Output = Annotated[
    str,
    typer.Option(
        "--output", "-o", envvar="ALMSWEEP_OUTPUT", help="Result store: a folder or a URI like s3://…"
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", envvar="ALMSWEEP_DATA", help="Folder with the data sets, the same on every node."
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Download CIFAR into the data folder when missing.")
]
Replicates = Annotated[
    int | None,
    typer.Option(
        "--replicates", min=1, help="Seeds 1 to N instead of the space's, or the stored sweep's, own."
    ),
]
Cpus = Annotated[int, typer.Option("--cpus-per-trial", min=1, help="CPUs, and threads, per trial.")]
Address = Annotated[
    str | None,
    typer.Option("--address", help="A running Ray cluster; default: RAY_ADDRESS, else Ray on this machine."),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-trial",
        min=0,
        help="Share of a GPU per trial; default: by measured memory.",
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile networks with torch.compile: pays for long trials; needs a compiler."
    ),
]
KeepWeights = Annotated[
    str, typer.Option("--keep-weights", help="Weights to keep: selected (best trial per cell), all, none.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        callback=without_credentials,
        help="MLflow server or database; default: SQLite in the output folder.",
    ),
]
Sweep = Annotated[
    str, typer.Argument(metavar="SPACE", help="A named space, a .yaml file, or a sweep in the output.")
]
Rule = Annotated[str, typer.Option("--rule", help="Selection rule; it reads validation results only.")]


def check_keep_weights(policy: str) -> None:
    """Raise InputError for an unknown policy of keeping weights."""
    if policy not in KEEP_WEIGHTS:
        raise InputError(f"--keep-weights: expected one of {', '.join(KEEP_WEIGHTS)}, given {policy!r}")


def check_choices(policy: str, rule: str) -> None:
    """Raise InputError for an unknown policy of keeping weights, or selection rule."""
    from analysis.select import rule_by_name

    check_keep_weights(policy)
    rule_by_name(rule)
