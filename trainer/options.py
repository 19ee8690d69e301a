"""How one trial is run: one bag, which everything that runs or measures trials takes whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from search_spaces.config import DEFAULT_TARGETS, Frozen, NonNegative, Targets
from trainer.data.where import ImagesWhere

KeepWeights = Literal["selected", "all", "none"]


def _absolute(folder: Path | None) -> Path | None:
    """The folder for processes that stand elsewhere. Links stay: another node may have none, or others."""
    return None if folder is None else folder.expanduser().absolute()


class TrialOptions(Frozen):
    """How a trial is run, as opposed to what it computes: none of these but two can change a score.

    `compile` and `threads` round otherwise, as another device does; training amplifies such differences like
    a weaker reseeding (docs/rounding.md).

    data_dir            where data sets lie, the same path on every node; made absolute
    download            whether a missing data set may be downloaded, on every node
    threads             CPU threads, at least 1: set for its process by who runs the trial (`prepare_cpu`)
    keep_weights        "none" stores no weights of the scored epochs; "all" and "selected" do, and a sweep
                        then deletes all but those of the best trial per cell under "selected"
    checkpoint_seconds  the most time between two checkpoints that are asked for (see `trainer.pace`)
    hang_seconds        an epoch that takes no longer never counts as hung; None is the watchdog's own limit
    compile             whether the network is compiled for training (`trainer.device.compiled`)
    changed_data        whether seeds whose results are of other data than there are now are trained again;
                        without it they are an error
    images              whether images stay on the device, "resident", or are read batch by batch, "streamed";
                        "auto": they stay where they fit (`trainer.data.residency`). No number depends on it
    targets             the rates at which ROC curves are read, every epoch and at the end
    """

    data_dir: Annotated[Path | None, AfterValidator(_absolute)] = None
    download: bool = False
    threads: Annotated[int, Field(ge=1)] = 1
    keep_weights: KeepWeights = "selected"
    checkpoint_seconds: NonNegative = 60.0
    hang_seconds: Annotated[float, Field(gt=0)] | None = None
    compile: bool = False
    changed_data: bool = False
    images: ImagesWhere = "auto"
    targets: Targets = DEFAULT_TARGETS
