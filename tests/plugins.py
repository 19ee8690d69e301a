"""The plug-in package of `tests/plugin`, installed into a folder that can be put on a path.

Nothing is built: a folder with the package's files and a `.dist-info` beside them is what pip makes of it.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_spaces.config import kinds, plugins
from search_spaces.keys import known_keys

SOURCE = Path(__file__).parent / "plugin"
PACKAGE = "almsweep_example"


def install(folder: Path, *, version: str = "1.2") -> Path:
    """Install the example plug-in there, in that version; returns the folder."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    shutil.copytree(SOURCE / PACKAGE, folder / PACKAGE)
    write_distribution(folder, project["name"], version, project["entry-points"])
    return folder


def write_distribution(folder: Path, name: str, version: str, groups: dict[str, dict[str, str]]) -> None:
    """The metadata of an installed package with these entry points, as installers leave it."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, members in groups.items():
        lines.append(f"[{group}]")
        for member, value in members.items():
            lines.append(f"{member} = {value}")
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


@contextmanager
def on_path(folder: Path) -> Iterator[None]:
    """Let this process find what is installed in a folder, and forget it all at the end."""
    sys.path.insert(0, str(folder))
    before = set(sys.modules)
    _forget()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if file.startswith(str(folder)):
                del sys.modules[name]
        _forget()


def _forget() -> None:
    importlib.invalidate_caches()
    plugins.offers.cache_clear()
    kinds.plugin_of.cache_clear()
    known_keys.cache_clear()
