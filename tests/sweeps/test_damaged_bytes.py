"""Bytes of a finished store damaged in turn: no traceback, and a table that is equal or says what is damaged.

ALMSWEEP_DAMAGES says how many damages are tried, by default few.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.render.formats import csv
from analysis.tables import make_tables
from search_spaces.errors import AlmsweepError
from tests.sweeps.synthetic_store import SWEEP, trials, write_replicate, write_sweep, write_trial
from trainer.store import Retry, Store

pytestmark = pytest.mark.group(name="damage")

DAMAGES = int(os.environ.get("ALMSWEEP_DAMAGES", "300"))


@pytest.fixture
def finished(tmp_path: Path) -> Store:
    """A store in which a sweep has ended: complete, diverged and failed trials, indexed but for one."""
    store = Store(tmp_path / "out", retry=Retry(tries=1, seconds=0.0))
    configs = trials((1, 2))
    for config in configs[:2]:
        write_trial(store, config)
        store.index.write(config.trial_id)
    write_trial(store, configs[2])
    write_replicate(store, configs[3], 1)
    write_replicate(store, configs[3], 2, "diverged")
    store.index.write(configs[3].trial_id)
    write_sweep(store, configs)
    store.identity()
    return store


def damages(root: Path) -> Iterator[tuple[Path, str, bytes | None]]:
    """Files, what is done to them, and what they hold then: every file is removed, flipped and cut."""
    generator = random.Random(0)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    each = max(DAMAGES // len(files) - 1, 2)
    for path in files:
        whole = path.read_bytes()
        yield path, "removed", None
        for number in range(each):
            place = generator.randrange(len(whole))
            if number % 3 == 2:
                yield path, "cut", whole[:place]
            else:
                flipped = bytearray(whole)
                flipped[place] ^= 1 << generator.randrange(8)
                yield path, "flipped", bytes(flipped)


def shown(store: Store, before: str = "") -> str:
    """All that the tables say, and where it comes from; or the error in its place.

    What differs from `before` is also laid out in every form.
    """
    try:
        made = make_tables(store, store.read_sweep(SWEEP))
    except AlmsweepError as error:
        return str(error)
    told = "\n".join([csv(made.frame), csv(made.comparisons), repr(made.provenance)])
    if told != before:
        assert made.markdown
        assert made.latex
        assert made.text
    return told


def test_a_table_is_equal_or_says_what_is_damaged(finished: Store) -> None:
    root = Path(finished.storage.root)
    before, outcomes = shown(finished), Counter[str]()
    for path, how, content in damages(root):
        whole, relative = path.read_bytes(), path.relative_to(root).as_posix()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        after = shown(finished, before)
        path.write_bytes(whole)
        outcome = "equal"
        if after != before:
            # A replicate without its marker has never ended: it is missing.
            is_missing = how == "removed" and path.name.startswith("DONE") and "1 pending" in after
            # A marker with another hash makes the file that it lists the damaged one.
            named = relative.removesuffix("DONE")
            names_it = named in after or (how == "removed" and f"no sweep '{SWEEP}'" in after)
            assert names_it or is_missing, (relative, how, after)
            outcome = "told"
        outcomes[f"{_kind(relative)} {how}: {outcome}"] += 1
    assert shown(finished) == before
    assert outcomes.total() >= min(DAMAGES, 100)
    for line in sorted(outcomes.items()):
        print(*line)
    told = {line.split()[0] for line in outcomes if line.endswith("told")}
    assert told >= {"sweeps", "scores", "result", "DONE"}


def _kind(relative: str) -> str:
    """What kind of file it is: the folder at the top, of a trial's the name before the attempt."""
    parts = relative.split("/")
    return parts[-1].split(".")[0] if parts[0] == "trials" else parts[0]
