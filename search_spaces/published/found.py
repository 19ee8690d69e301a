"""All published figures, found by the trial that they stand beside."""

from __future__ import annotations

from search_spaces.config import TrialConfig
from search_spaces.published.figure import Published
from search_spaces.published.longtail import LONG_TAILS

# Those of a further document are added here.
PUBLISHED: tuple[Published, ...] = LONG_TAILS


def published(config: TrialConfig) -> Published | None:
    """The figures published of a trial like this one; None where there are none."""
    return next((one for one in PUBLISHED if one.is_of(config)), None)
