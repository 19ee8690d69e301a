"""Which schemas stored files are of, and the refusal of any other.

The store's own schema says how files are laid out; files whose content depends on it name it under `schema`.

The trial schema says what a configuration means. Sweeps' manifests, trials' configurations and results say it
under `trial_schema`; files of before there was such a number say nothing and count as 1. Under another schema
the same settings have another id and other numbers, so a file is checked before anything else in it is
understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces.config import SCHEMA_VERSION
from search_spaces.errors import StoreError, TrialSchemaError

STORE_SCHEMA = 1

KEY = "trial_schema"
UNSAID = 1


def check_store_schema(content: Mapping[str, Any], where: str) -> None:
    """Raise StoreError for the content of a file, called `where`, that is of another store schema."""
    found = content.get("schema")
    if found != STORE_SCHEMA:
        raise StoreError(f"{where}: expected store schema {STORE_SCHEMA}, found {found!r}")


def labelled(content: Mapping[str, Any]) -> dict[str, Any]:
    """A file's content with this program's trial schema in front."""
    return {KEY: SCHEMA_VERSION, **content}


def check_trial_schema(content: Mapping[str, Any], where: str) -> None:
    """Raise TrialSchemaError for the content of a file, called `where`, that is of another trial schema."""
    found = content.get(KEY, UNSAID)
    if found != SCHEMA_VERSION:
        raise TrialSchemaError(
            f"{where}: expected trial schema {SCHEMA_VERSION}, found {found!r}: another version of almsweep "
            "trained this, and its results do not mix with this version's; choose another --output"
        )
