"""Before a run trains: whether the cluster can, whether its nodes are alike, how many trials fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.config import TrialConfig
from sweeps.capacity.machine import cluster_rooms, node_resources
from sweeps.capacity.packing import Packing, Wanted, choose_packing
from sweeps.capacity.probe import probes_for
from sweeps.cluster.nodes import check_nodes
from sweeps.cluster.scaling import check_resources, startable_nodes
from sweeps.driver.work import Work
from sweeps.options import RunOptions

# Trials of a search are not known beforehand; the largest of so many random ones is measured.
DRAWN_FOR_PACKING = 32


def admit(work: Work, options: RunOptions, resources: Mapping[str, float]) -> Packing:
    """Check the connected cluster, which has these resources in all; what each trial is to ask of it.

    Raises InputError, or DataError, as `check_resources` and `check_nodes` do.
    """
    known: Sequence[TrialConfig] = work.configs()
    drawn: Sequence[TrialConfig] = ()
    if work.study is not None:
        known = work.manifest.trials
        drawn = work.study.search.draws(DRAWN_FOR_PACKING)
    _check_cluster([*known, *drawn], options, resources)
    probes = probes_for(work.store, options, joined=options.cluster_address is not None)
    return choose_packing([*work.configs(), *drawn], cluster_rooms(), Wanted.by(options), probes)


def _check_cluster(
    trials: Sequence[TrialConfig], options: RunOptions, resources: Mapping[str, float]
) -> None:
    """Check that the cluster can hold a trial; where it was joined, that its nodes are alike too.

    Of a search, `trials` are those known and some drawn ones, as their data sets are loaded on every node.
    """
    cpus, gpus = options.trial.threads, options.gpus_per_trial
    if options.cluster_address is None:
        check_resources(node_resources(), cpus, gpus, dict)
        return
    check_resources(node_resources(), cpus, gpus, startable_nodes)
    if gpus is None:  # a trial will have a share of any GPU that there is
        gpus = float(resources.get("GPU", 0) > 0)
    check_nodes(trials, options.trial, gpus=gpus)
