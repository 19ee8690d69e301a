"""Where a run's artifacts are written: below the output folder, through MLflow, or nowhere.

MLflow says where, as a URI. What a server says is believed only where it leads to the server or to object
storage: a `file:` URI would have this machine write wherever the server likes.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sweeps.tracking.uris import local_folder
from trainer.store.local import write_below

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArtifactPlace:
    """What is known of a tracking database or server.

    root        the output folder, where it is on this machine and its artifacts lie in it; "" else
    is_server   whether URIs are a server's
    """

    root: str = ""
    is_server: bool = False

    def stand(self, uri: str) -> bool:
        """Whether a run's artifacts stand, as far as can be seen: those in the output folder."""
        relative = self._relative(uri)
        return not relative or Path(self.root, relative).is_dir()

    def write(self, client: Any, run_id: str, uri: str, texts: Mapping[str, str]) -> None:
        """Write texts by their names as artifacts of a run, to which MLflow gave this URI.

        Raises OSError where the output folder cannot be written, or has a link in a folder's place.
        """
        relative = self._relative(uri)
        if relative:  # as MLflow's client would, without its four queries
            for name, text in texts.items():
                write_below(self.root, f"{relative}/{name}", text.encode(), lasting=False)
            return
        if self.is_server and urlsplit(uri).scheme in ("", "file"):
            _warn(client.tracking_uri)
            return
        with tempfile.TemporaryDirectory(prefix="almsweep-") as folder:
            for name, text in texts.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            client.log_artifacts(run_id, folder)

    def _relative(self, uri: str) -> str:
        """The path of a URI's folder below the output folder; "" for any other."""
        folder = local_folder(uri)
        if not self.root or not folder or ".." in Path(folder).parts:
            return ""
        path = Path(folder)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ""


@cache
def _warn(server: str) -> None:
    log.warning(
        "MLflow at %s names folders of this machine for artifacts, so none are written: start it with "
        "--serve-artifacts, or with artifacts on object storage",
        server,
    )
