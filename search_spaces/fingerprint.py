"""What two spaces of one name are told apart by: a hash of what they hold, however it is written.

Of a list of trials it is a hash of their ids, in any order. Of a search it is one of what there is to choose
from and of its objectives: the ids of the trials at the ends of its domains (so what is fixed is in it too),
the domains, and their conditions. Seeds, the number of samples, first points and the way in which results are
read are in neither.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from search_spaces.config import TrialConfig
from search_spaces.domains import Choice
from search_spaces.search import Dimension, Search
from search_spaces.search_block import extremes
from search_spaces.settings import comparable


def trials_fingerprint(trials: Iterable[TrialConfig]) -> str:
    """16 hexadecimal digits that are equal for the same set of trials."""
    return _digest(sorted({trial.trial_id for trial in trials}))


def search_fingerprint(search: Search) -> str:
    """16 hexadecimal digits that are equal for searches with the same choice and the same objectives."""
    ordered = replace(search, dimensions=tuple(map(_with_sorted_options, search.dimensions)))
    return _digest(
        {
            "ends": sorted({search.trial(point).trial_id for point in extremes(ordered)}),
            "dimensions": sorted(map(_dimension, search.dimensions)),
            "objectives": search.objectives,
        }
    )


def _with_sorted_options(dimension: Dimension) -> Dimension:
    """The dimension with its options in an order that does not depend on the author's."""
    if not isinstance(dimension.domain, Choice):
        return dimension
    options = sorted(dimension.domain.options, key=lambda option: comparable(dimension.key, option))
    return replace(dimension, domain=Choice(tuple(options)))


def _dimension(dimension: Dimension) -> list[object]:
    """A dimension's key, kind of domain, bounds and conditions; options are among the ends."""
    domain = dimension.domain
    bounds = [] if isinstance(domain, Choice) else list(domain.extremes())
    conditions = []
    for key, values in sorted(dimension.when):
        conditions.append([key, sorted(comparable(key, value) for value in values)])
    return [dimension.key, type(domain).__name__, bounds, conditions]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
