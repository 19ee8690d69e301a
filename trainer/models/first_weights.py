"""The file of weights that a network begins with: found by its hash or its published name, and read.

DATA-DIR/weights/*.pth            any file, under any name: known by its SHA-256
<torch's hub>/checkpoints/NAME    published files, where torchvision keeps them (TORCH_HOME)
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from search_spaces.config import FirstWeights, Model
from search_spaces.errors import DataError
from search_spaces.words import count

log = logging.getLogger(__name__)

FOLDER = "weights"
ENDINGS = (".pth", ".pt")


def find_first_weights(config: Model, data_dir: Path | None, *, download: bool = False) -> Path | None:
    """The file of a model's first weights, its hash checked; None for a model that draws them.

    A published one that is missing is fetched with `download`. Raises DataError, in one line, where there is
    no such file, or it cannot be fetched.
    """
    wanted = config.first_weights
    if wanted is None:
        return None
    for path in _candidates(wanted, data_dir):
        if _sha256(path).startswith(wanted.sha256):
            return path
    if wanted.url is not None and download:
        return _fetched(config, wanted)
    raise DataError(f"model {config.name!r}: {_expectation(wanted, data_dir)}")


def check_first_weights(models: Iterable[Model], data_dir: Path | None, *, download: bool = False) -> None:
    """Raise DataError, in one line, where files of first weights are missing; fetches those that it may."""
    faults = []
    for config in dict.fromkeys(models):
        try:
            find_first_weights(config, data_dir, download=download)
        except DataError as error:
            faults.append(str(error))
    if faults:
        raise DataError("; ".join(dict.fromkeys(faults)))


def take_first_weights(
    model: nn.Module, config: Model, data_dir: Path | None, *, download: bool = False
) -> None:
    """Set a network to its first weights, all but its output layer; does nothing where it draws them.

    Raises DataError as `find_first_weights` does, and for a file that is no state dict of that network.
    """
    path = find_first_weights(config, data_dir, download=download)
    if path is None:
        return
    take_weights = getattr(model, "take_weights")  # noqa: B009 - of models with such a file
    try:
        take_weights(_state_dict(path))
    except DataError as error:
        raise DataError(
            f"{path}: expected a state dict of torchvision's {config.name}, {str(error).strip('; ')}"
        ) from None


def _candidates(wanted: FirstWeights, data_dir: Path | None) -> list[Path]:
    found = []
    if data_dir is not None:
        found += _files(data_dir / FOLDER)
    if wanted.file is not None:
        own_name = [path for path in found if path.name == wanted.file]
        found = [path for path in (*own_name, _hub() / wanted.file) if path.is_file()]
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())
    except OSError:
        return []


def _hub() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _sha256(path: Path) -> str:
    facts = path.stat()
    return _hash_of(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(config: Model, wanted: FirstWeights) -> Path:
    path = _hub() / str(wanted.file)
    log.info("downloading %s to %s", wanted.url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It writes beside the file, checks the hash, and moves it into place.
        torch.hub.download_url_to_file(str(wanted.url), str(path), wanted.sha256, progress=False)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"model {config.name!r}: could not download {wanted.url} to {path}: {reason}"
        ) from error
    return path


def _expectation(wanted: FirstWeights, data_dir: Path | None) -> str:
    """What was expected, and what lies there."""
    if wanted.file is not None:
        places = [str(_hub())]
        if data_dir is not None:
            places.insert(0, str(data_dir / FOLDER))
        return (
            f"expected its published weights {wanted.file} in {' or '.join(places)}, "
            "found none of that hash; --download fetches them"
        )
    if data_dir is None:
        return f"expected a file of SHA-256 {wanted.sha256} in DATA-DIR/{FOLDER}, given no --data-dir"
    told = [f"{path.name} {_sha256(path)}" for path in _files(data_dir / FOLDER)]
    found = f"{count(len(told), 'file')}: {', '.join(told)}" if told else "none"
    return f"expected a file (.pth, .pt) of SHA-256 {wanted.sha256} in {data_dir / FOLDER}, found {found}"


def _state_dict(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file by name. Raises DataError for anything else."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file may raise nearly anything
        raise DataError(f"found a file that does not load: {type(error).__name__}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError("found something else than tensors by name")
    return state
