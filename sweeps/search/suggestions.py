"""What a search suggested, as it stands in the result store: one file for each suggestion.

<output>/studies/<sweep>/<number>.json    trial id, origin, and the values as drawn
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.errors import DamagedError, StoreError
from search_spaces.search import Point, Search
from sweeps.search.advisor import from_json, settled, to_json
from trainer.store import Store, layout
from trainer.store.seal import check_seal, sealed

log = logging.getLogger(__name__)

STUDY_SCHEMA = 1
_READERS = 16


@dataclass(frozen=True)
class Suggestion:
    """One trial of a search.

    number   from 0
    origin   "start" (a known first point), "sampler" or "random"
    config   the trial
    drawn    its values as drawn; of the sampler's they are rounded where the search says so
    """

    number: int
    origin: str
    config: TrialConfig
    drawn: Point


def read_suggestions(store: Store, name: str, search: Search) -> tuple[dict[str, Suggestion], int]:
    """Earlier suggestions of the sweep `name` by trial id, in order, and the number of the next one.

    Those that the search has no more, since it was changed, are left out; damaged ones, too, and are told of.
    """
    paths = []
    for path in sorted(store.storage.list_files(layout.study(name), recursive=False)):
        if (layout.name_of(path) or "").isdecimal():
            paths.append(path)
    found: dict[str, Suggestion] = {}
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        for read in pool.map(lambda path: _read(store, path, name, search), paths):
            if read is not None:
                found.setdefault(read.config.trial_id, read)
    last = max((int(layout.name_of(path) or 0) for path in paths), default=-1)
    return found, last + 1


def write_suggestion(store: Store, name: str, search: Search, suggestion: Suggestion) -> None:
    """Write a suggestion of the sweep `name`.

    schema     of this file
    number     its place, from 0
    trial_id   the trial that it makes
    origin     "start", "random" or "sampler": from where its values come
    values     by key, as they were drawn
    sha256     of the rest
    """
    content = {
        "schema": STUDY_SCHEMA,
        "number": suggestion.number,
        "trial_id": suggestion.config.trial_id,
        "origin": suggestion.origin,
        "values": to_json(search, suggestion.drawn),
    }
    store.storage.write_json(layout.suggestion(name, suggestion.number), sealed(content))


def _read(store: Store, path: str, name: str, search: Search) -> Suggestion | None:
    """The suggestion in a file, or None for one that the search has no more, or that is damaged."""
    where = store.storage.where(path)
    try:
        content = store.storage.read_json(path)
        if content is None:
            return None
        check_seal(content, where)
        return _suggestion(content, name, search)
    except (DamagedError, KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("%s: holds no suggestion, so that the search goes on without it: %s", where, error)
        return None


def _suggestion(content: Mapping[str, Any], name: str, search: Search) -> Suggestion | None:
    """The suggestion that a file holds, None where the search has no such trial any more."""
    if content.get("schema") != STUDY_SCHEMA:
        raise StoreError(f"study {name}: expected schema {STUDY_SCHEMA}, found {content.get('schema')!r}")
    drawn = from_json(search, content["values"])
    if drawn is None:
        return None
    point = settled(search, drawn) if content["origin"] == "sampler" else drawn
    config = search.trial(point)
    if config.trial_id != content["trial_id"]:
        return None
    return Suggestion(int(content["number"]), str(content["origin"]), config, drawn)
