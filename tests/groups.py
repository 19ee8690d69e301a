"""The groups of slow tests. Continuous integration runs one of them besides all that has no group.

A test belongs to a group by `@pytest.mark.group(name="search")`, which makes it slow. `make test-group
GROUP=search` runs a group, `python -m tests.groups` lists them, and `python -m tests.groups COMMIT` says
which one is that commit's.
"""

from __future__ import annotations

import sys

GROUPS = {
    "benchmarks": "every benchmark on a small scale",
    "damage": "bytes of a finished store damaged in turn, and mended",
    "compiled": "torch.compile, in a trial and in a sweep",
    "faults-1": "faults in the middle of a sweep: killed processes, interrupts, the cluster",
    "faults-2": "faults in the middle of a sweep: storage and hangs",
    "faults-3": "faults in the middle of a sweep: errors and memory, once and always",
    "kills": "a sweep that is killed again and again, at random moments",
    "models": "torchvision's networks in full size: their contract, and as exported models",
    "packing": "trials side by side, a growing cluster, plug-ins, real images",
    "search": "searches and races, kills, early stopping",
    "tracking": "PostgreSQL, MLflow's server and its UI in a browser, secrets",
    "two-hosts": "ray up, ray submit and ray down over two hosts",
}


def group_of(commit: str) -> str:
    """The group of a commit, by its hash (hexadecimal digits)."""
    names = sorted(GROUPS)
    return names[int(commit, 16) % len(names)]


def main() -> None:
    if len(sys.argv) > 1:
        print(group_of(sys.argv[1]))
        return
    for name, what in GROUPS.items():
        print(f"{name:12} {what}")


if __name__ == "__main__":
    main()
