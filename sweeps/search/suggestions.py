"""What a search suggested, as it stands in the result store: one file for each suggestion.

<output>/studies/<sweep>/<number>.json    trial id, origin, and the values as drawn
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from search_spaces.config import TrialConfig
from search_spaces.errors import StoreError
from search_spaces.search import Point, Search
from sweeps.search.advisor import from_json, settled, to_json
from trainer.store import Store, layout

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

    Those that the search has no more, since it was changed, are left out. Raises StoreError for a file that
    holds no suggestion.
    """
    paths = sorted(store.storage.list_files(layout.study(name), recursive=False))
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        contents = [content for content in pool.map(store.storage.read_json, paths) if content is not None]
    found: dict[str, Suggestion] = {}
    number = 0
    try:
        for content in sorted(contents, key=lambda content: int(content["number"])):
            number = int(content["number"]) + 1
            read = _suggestion(content, name, search)
            if read is not None:
                found.setdefault(read.config.trial_id, read)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"study {name}: a file holds no suggestion: {error!r}") from error
    return found, number


def write_suggestion(store: Store, name: str, search: Search, suggestion: Suggestion) -> None:
    """Write a suggestion of the sweep `name`.

    schema     of this file
    number     its place, from 0
    trial_id   the trial that it makes
    origin     "start", "random" or "sampler": from where its values come
    values     by key, as they were drawn
    """
    content = {
        "schema": STUDY_SCHEMA,
        "number": suggestion.number,
        "trial_id": suggestion.config.trial_id,
        "origin": suggestion.origin,
        "values": to_json(search, suggestion.drawn),
    }
    store.storage.write_json(layout.suggestion(name, suggestion.number), content)


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
