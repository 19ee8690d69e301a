"""Settings of trials that a table tells in words: those that differ and that no other column shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.config import TrialConfig
from search_spaces.labels import flat, spelled_out

# Data, loss and constraint have columns of their own; seeds are no part of a trial's identity.
_SHOWN_ELSEWHERE = {"data", "loss", "constraint", "seeds"}


def varying_settings(configs: Sequence[TrialConfig], rows: Sequence[str]) -> tuple[str, ...]:
    """Dotted names of the fields that differ and that neither a column nor the label of a row shows."""
    values: dict[str, set[str]] = {}
    for config in configs:
        for name, value in _settings(config).items():
            values.setdefault(name, set()).add(value)
    varying = []
    for name, seen in values.items():
        if len(seen) > 1 and not _is_in_label(name, rows, values):
            varying.append(name)
    return tuple(sorted(varying))


def _is_in_label(name: str, rows: Sequence[str], values: Mapping[str, object]) -> bool:
    """Whether the label of a row tells a field: the key itself, or one above it.

    Of a part with a name the label tells the name alone.
    """
    if name in rows:
        return True
    above = name.rpartition(".")[0]
    while above:
        if above in rows and f"{above}.name" not in values:
            return True
        above = above.rpartition(".")[0]
    return False


def settings_text(config: TrialConfig, names: Sequence[str]) -> str:
    """The named settings of a configuration: "model.width=16, optimizer.learning_rate=0.01"."""
    settings = _settings(config)
    return ", ".join(f"{name}={settings[name]}" for name in names if name in settings)


def read_settings(config: TrialConfig, names: Sequence[str]) -> dict[str, str]:
    """The named settings of a configuration as a person reads them: of a number four digits."""
    settings = _plain_settings(config)
    return {name: _read(settings[name]) for name in names if name in settings}


def _read(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _settings(config: TrialConfig) -> dict[str, str]:
    return {name: str(value) for name, value in _plain_settings(config).items()}


def _plain_settings(config: TrialConfig) -> dict[str, object]:
    shown: dict[str, object] = {}
    for name, part in config:
        if name not in _SHOWN_ELSEWHERE:
            shown[name] = spelled_out(part)
    return flat(shown)
