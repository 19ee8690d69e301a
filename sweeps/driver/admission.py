"""Before a run trains: whether the cluster can, whether its nodes are alike, how many trials fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.config import Task, TrialConfig
from search_spaces.errors import DataError
from sweeps.capacity.machine import cluster_rooms, node_resources
from sweeps.capacity.packing import Packing, Wanted, choose_packing
from sweeps.capacity.probe import probes_for
from sweeps.cluster.nodes import check_nodes, look_on_nodes
from sweeps.cluster.scaling import check_resources, startable_nodes
from sweeps.driver.data import RunData
from sweeps.driver.data_check import faults_of
from sweeps.driver.work import Work
from sweeps.options import RunOptions

# Trials of a search are not known beforehand; the largest of so many random ones is measured.
DRAWN_FOR_PACKING = 32


def admit(
    work: Work, options: RunOptions, resources: Mapping[str, float], data: RunData | None
) -> tuple[Work, Packing]:
    """Check the connected cluster, which has these resources in all, and where it was joined its data.

    Returns the work that its data allow, and what each trial is to ask of it. `data` as `Training` takes it.
    Raises InputError, or DataError, as `check_resources`, `check_nodes`, `look_on_nodes` and `RunData` do.
    """
    known: Sequence[TrialConfig] = work.configs()
    drawn: Sequence[TrialConfig] = ()
    if work.study is not None:
        known = work.manifest.trials
        drawn = work.study.search.draws(DRAWN_FOR_PACKING)
    if options.cluster_address is None:
        check_resources(node_resources(), options.trial.threads, options.gpus_per_trial, dict)
    else:
        work = _look_on_cluster(work, [*known, *drawn], options, resources, data)
    probes = probes_for(work.store, options, joined=options.cluster_address is not None)
    return work, choose_packing([*work.configs(), *drawn], cluster_rooms(), Wanted.by(options), probes)


def _look_on_cluster(
    work: Work,
    trials: Sequence[TrialConfig],
    options: RunOptions,
    resources: Mapping[str, float],
    data: RunData | None,
) -> Work:
    """Check that a cluster which was joined can hold a trial, and that its nodes are alike.

    Returns the work that the data allow which the nodes have. Of a search, `trials` are those known and some
    drawn ones, whose data sets are looked at too.
    """
    cpus, gpus = options.trial.threads, options.gpus_per_trial
    check_resources(node_resources(), cpus, gpus, startable_nodes)
    if gpus is None:  # a trial will have a share of any GPU that there is
        gpus = float(resources.get("GPU", 0) > 0)
    nodes = check_nodes(trials, options.trial, gpus=gpus)
    tasks = [config.data for config in trials]
    compared: Sequence[Task] = ()
    if data is not None:
        tasks += data.needed(work)
        compared = [task for task in data.compared(work) if task not in tasks]
    findings = look_on_nodes(nodes, list(dict.fromkeys(tasks)), compared, options.trial, gpus=gpus)
    if data is not None:
        return data.check(work, findings)
    faults = faults_of(findings)
    if faults:
        raise DataError("; ".join(dict.fromkeys(faults.values())))
    return work
