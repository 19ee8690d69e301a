"""How many positives a true positive rate needs, to be told apart from all of them."""

from __future__ import annotations

import math

from search_spaces.config.metrics import Rate

_DOUBT = 0.05


def positives_to_resolve(tpr: Rate) -> int:
    """The least n with tpr^n <= 0.05.

    Of fewer positives, a classifier of that rate finds all more often than once in 20 times: its rate cannot
    be told from 100 %, and so a false positive rate that is read there is of a rate that nobody knows.

    >>> [positives_to_resolve(tpr) for tpr in (0.99, 0.98, 0.95, 0.9)]
    [299, 149, 59, 29]
    """
    return math.ceil(math.log(_DOUBT) / math.log(tpr))
