"""Checkpoints of a trial under way and stored weights, as bytes; nothing but tensors and plain values."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch

from search_spaces.errors import CheckpointError
from trainer.device.environment import is_out_of_memory
from trainer.replicate import Replicate

log = logging.getLogger(__name__)

CHECKPOINT_SCHEMA = 2
# In front of a checkpoint: the SHA-256 of what follows. torch loads flipped bits without a word.
_SEAL = b"almsweep checkpoint sha256 "
# How what torch saves begins.
_ZIP = b"PK"


def dump_replicates(replicates: Sequence[Replicate], *, trial_id: str, data_sha256: str) -> bytes:
    """State of a trial's replicates under way, all that their next epochs depend on."""
    return dump(capture_replicates(replicates, trial_id=trial_id, data_sha256=data_sha256))


def capture_replicates(
    replicates: Sequence[Replicate],
    others: Mapping[str, Any] | None = None,
    *,
    trial_id: str,
    data_sha256: str,
) -> dict[str, Any]:
    """A copy on the host of what `dump_replicates` writes: training may go on before it is written.

    `others` holds states of further replicates by seed, as `saved_states` returned them.
    """
    states = {**(others or {}), **{str(r.seed): _copied(r.state_dict()) for r in replicates}}
    return {"trial_id": trial_id, "data_sha256": data_sha256, "replicates": states}


def dump(captured: Mapping[str, Any]) -> bytes:
    """What `capture_replicates` returned, as bytes that begin with their hash."""
    content = _save(captured)
    return _SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    return value


def restore_replicates(
    data: bytes, replicates: Sequence[Replicate], *, trial_id: str, data_sha256: str
) -> list[int]:
    """Set replicates to the states in a checkpoint; seeds that it does not hold stay fresh.

    Returns the seeds that were restored. Raises CheckpointError when the checkpoint is damaged, belongs to
    another trial, or was written with other data or by a version of the code with other states.
    """
    return load_states(
        saved_states(data, trial_id=trial_id, data_sha256=data_sha256), replicates, trial_id=trial_id
    )


def saved_states(data: bytes, *, trial_id: str, data_sha256: str) -> dict[str, Any]:
    """The replicates' states in a checkpoint, by seed. Raises CheckpointError like `restore_replicates`.

    One of an earlier version, which has no hash, is taken as it is, with a warning.
    """
    what = f"checkpoint of trial {trial_id}"
    content = _load(_unsealed(data, what), what)
    _expect(content, "trial_id", trial_id, what)
    _expect(content, "data_sha256", data_sha256, what)
    states = content.get("replicates")
    if not isinstance(states, dict):
        raise CheckpointError(f"{what}: expected replicates, found none")
    return states


def load_states(states: Mapping[str, Any], replicates: Sequence[Replicate], *, trial_id: str) -> list[int]:
    """Set replicates to their states, where there is one; returns the seeds of those.

    Raises CheckpointError for a state that does not fit: such as another version of the code has written.
    """
    restored = []
    for replicate in replicates:
        state = states.get(str(replicate.seed))
        if state is None:
            continue
        try:
            replicate.load_state_dict(_upgraded(state))
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if is_out_of_memory(error) or isinstance(error, torch.AcceleratorError):
                raise  # not the checkpoint's fault
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise CheckpointError(
                f"checkpoint of trial {trial_id}: the state of seed {replicate.seed} does not fit this "
                f"version of the program: {reason}"
            ) from error
        restored.append(replicate.seed)
    return restored


def _upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """A replicate's state as this version has it; before constraints had columns, multipliers stood alone."""
    if "multipliers" not in state:
        return state
    state = dict(state)
    multipliers, schedule = state.pop("multipliers"), state.pop("penalty")
    state["constraint"] = None
    if schedule is not None:
        state["constraint"] = {"multipliers": multipliers[:, None], "schedule": schedule}
    scored = [dict(one) for one in state["scored"]]
    for one in scored:
        one["value"] = one.pop("auroc")
    state["scored"] = scored
    return state


@dataclass(frozen=True)
class StoredWeights:
    """What a replicate is scored by: weights of its scored epochs, over which the logits are averaged.

    models     a network's state per scored epoch, in the epochs' order
    mean, std  the normalisation (per channel, 0..1 units) that the networks expect
    """

    models: tuple[dict[str, torch.Tensor], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def dump_weights(replicate: Replicate, *, trial_id: str) -> bytes:
    """Weights of a replicate's scored epochs, with the trial and seed that they belong to."""
    if not replicate.scored.held:
        raise ValueError("a replicate without a validated epoch has no weights to be scored by")
    splits = replicate.setup.data.splits
    models = []
    for one in replicate.scored.held:
        models.append({name: value.cpu() for name, value in one.weights.items()})
    return _save(
        {
            "trial_id": trial_id,
            "seed": replicate.seed,
            "epochs": replicate.scored.epochs,
            "models": models,
            "mean": list(splits.mean),
            "std": list(splits.std),
        }
    )


def load_weights(data: bytes, *, trial_id: str, seed: int) -> StoredWeights:
    """Read weights. Raises CheckpointError when they are damaged or of another trial or seed."""
    what = f"weights of trial {trial_id} seed {seed}"
    content = _load(data, what)
    _expect(content, "trial_id", trial_id, what)
    _expect(content, "seed", seed, what)
    models, mean, std = (content.get(name) for name in ("models", "mean", "std"))
    if not isinstance(mean, list) or not isinstance(std, list) or not _are_models(models):
        raise CheckpointError(f"{what}: expected models, mean and std, found {', '.join(map(str, content))}")
    return StoredWeights(tuple(models), tuple(mean), tuple(std))


def _are_models(value: object) -> TypeGuard[list[dict[str, torch.Tensor]]]:
    """Whether a loaded value is a list, not empty, of networks' states."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _save(content: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    torch.save({"schema": CHECKPOINT_SCHEMA, **content}, stream)
    return stream.getvalue()


def _load(data: bytes, what: str) -> dict[str, Any]:
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile file may raise nearly anything
        raise CheckpointError(f"{what}: damaged or not written by this program: {_reason(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{what}: expected a dictionary, found {type(content).__name__}")
    _expect(content, "schema", CHECKPOINT_SCHEMA, what)
    return content


def _unsealed(data: bytes, what: str) -> bytes:
    """A checkpoint without its hash, which is checked."""
    if not data.startswith(_SEAL):
        if data.startswith(_ZIP):
            log.warning("%s: of an earlier version, without a hash: damage would not be noticed", what)
        return data
    sealed, _, content = data.partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != sealed.removeprefix(_SEAL):
        raise CheckpointError(f"{what}: damaged: its content differs from its hash")
    return content


def _reason(error: Exception) -> str:
    """What torch says about a file that it does not load, without its advice to trust the file."""
    _, found, fault = str(error).partition("WeightsUnpickler error:")
    text = fault if found else str(error)
    sentence = " ".join(text.split()).split(". ")[0].removesuffix(".")
    for advice in (" Check the documentation", " Please use"):
        sentence = sentence.partition(advice)[0]
    return sentence or type(error).__name__


def _expect(content: Mapping[str, Any], key: str, expected: object, what: str) -> None:
    if content.get(key) != expected:
        raise CheckpointError(f"{what}: expected {key} {expected!r}, found {content.get(key)!r}")
