"""Options that several commands share, each declared once; `sweeps.cli.given` makes `RunOptions` of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search_spaces.errors import InputError
from search_spaces.limits import MOST_COMBINATIONS, MOST_REPLICATES
from search_spaces.paths import given_path
from search_spaces.redaction import has_credentials
from sweeps.hints import is_given

DEFAULT_OUTPUT = "results"


def without_credentials(
    context: typer.Context, parameter: typer.CallbackParam, value: str | None
) -> str | None:
    """A URI from the environment as it is; one from the command line must hold no password.

    Arguments can be read by every user of the machine, and are stored with a Ray job.
    """
    if value is not None and is_given(context, parameter.name or "") and has_credentials(value):
        raise typer.BadParameter(
            "expected a URI without user and password; they belong in MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, ~/.mlflow/credentials, PGPASSWORD or ~/.pgpass"
        )
    return value


def _output(given: str) -> str:
    """The result store: a URI as it is, a folder with the home folder in place of `~`."""
    return given if "://" in given else str(folder(given))


def folder(given: str) -> Path:
    """The parser of every option that is a folder on this machine: `~` is the home folder."""
    try:
        return given_path(given)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


Space = Annotated[str, typer.Argument(metavar="SPACE", help="A named space or a path to a .yaml file.")]
Sweep = Annotated[
    str, typer.Argument(metavar="SPACE", help="A named space, a .yaml file, or a sweep in the output.")
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        envvar="ALMSWEEP_OUTPUT",
        parser=_output,
        metavar="FOLDER-OR-URI",
        help="Result store: a folder or a URI like s3://…",
    ),
]
Replicates = Annotated[
    int | None,
    typer.Option(
        "--replicates",
        min=1,
        max=MOST_REPLICATES,
        help="Seeds 1 to N instead of the space's, or the stored sweep's, own.",
    ),
]
NumSamples = Annotated[
    int | None,
    typer.Option(
        "--num-samples",
        min=1,
        max=MOST_COMBINATIONS,
        help="Trials of a search in all, earlier ones included.",
    ),
]
Rule = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Selection rule: steering (default; what steers the task, like ensemble-val-auroc), "
        "val_fpr_at_tpr_98 or another rate, partial_auc; they read validation only. For tables and explain "
        "also oracle, which reads test and says so.",
    ),
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
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="ALMSWEEP_DATA",
        parser=folder,
        metavar="FOLDER",
        help="Folder with the data sets, the same on every node.",
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Download CIFAR into the data folder when missing.")
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="CPU threads, as --cpus-per-trial.")]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Compile networks with torch.compile: pays for long trials; needs a compiler."
    ),
]


ChangedData = Annotated[
    bool,
    typer.Option(
        "--changed-data",
        help="Train again what was trained on other images than there are now, in its place.",
    ),
]


ImagesOption = Annotated[
    str,
    typer.Option(
        "--images",
        help="Images while training: auto (on the device where they fit), resident, streamed from the disk.",
    ),
]


class ForData:
    """Options of `data`: where its images are.

    Here and in the classes below an option has the name of its field in TrialOptions or RunOptions.
    """

    data_dir: DataDir = None
    download: Download = False


class ForTrain:
    """Options of `train`: how its trial is run."""

    data_dir: DataDir = None
    download: Download = False
    threads: Threads = 1
    compile: Compile = False
    images: ImagesOption = "auto"
    changed_data: ChangedData = False


class ForPlan:
    """Options of `plan`, `run` and `retry`: how trials are run, and what they take."""

    data_dir: DataDir = None
    download: Download = False
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="A running Ray cluster; default: RAY_ADDRESS, else Ray on this machine."
        ),
    ] = None
    threads: Annotated[int, typer.Option("--cpus-per-trial", min=1, help="CPUs, and threads, per trial.")] = 1
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-trial", min=0, help="Share of a GPU per trial; default: by measured memory."
        ),
    ] = None
    compile: Compile = False
    images: ImagesOption = "auto"
    keep_weights: Annotated[
        str,
        typer.Option("--keep-weights", help="Weights to keep: selected (best trial per cell), all, none."),
    ] = "selected"


class ForRetry(ForPlan):
    """Options of `run` and `retry`."""

    hang_seconds: Annotated[
        float | None,
        typer.Option(
            "--hang-seconds", min=1, help="An epoch that takes no longer than that never counts as hung."
        ),
    ] = None
    max_concurrent: Annotated[
        int | None, typer.Option("--max-concurrent", min=1, help="Most trials at a time.")
    ] = None
    tracking_uri: TrackingUri = None
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Do not write to MLflow.")] = False
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take the sweep from a driver that holds its lease.")
    ] = False
    rule: Rule = None


class ForRun(ForRetry):
    """Options of `run` alone."""

    scheduler: Annotated[
        str,
        typer.Option("--scheduler", help="Early stopping of trials that fall behind: none, asha, median."),
    ] = "none"
    racing: Annotated[
        bool,
        typer.Option(
            "--racing", help="Few replicates first; more for trials that could still be best of their cell."
        ),
    ] = False
    grace_epochs: Annotated[
        int | None,
        typer.Option("--grace-epochs", min=1, help="Epochs before a trial may be stopped; default: a tenth."),
    ] = None
