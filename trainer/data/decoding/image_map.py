"""The node's maps of decoded images, and the one door to decoding.

<cache>/<data set>-<files>.map/pixels.bin     [N, C, H, W], mapped read-only by all processes
digests.bin    [N, 16], a hash of each image
facts.json     shape, sizes, what decoding told; written last
<cache>/<data set>-<files>.part/              the same while it is decoded
chunks.jsonl   the chunks that are done: no later attempt decodes them
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import DataError
from search_spaces.words import count, size
from trainer.data.cache import cache_folder, drop_others, locked
from trainer.data.decoding.crew import Chunk, decode_in_parallel
from trainer.data.decoding.encoded import Decoder, Encoded, Form, Told, identity
from trainer.data.decoding.progress import Progress
from trainer.data.decoding.record import Record
from trainer.data.decoding.rows import DIGESTS, PIXELS, RowFiles
from trainer.data.pixels import CHUNK_BYTES, DIGEST_BYTES, Pixels, image_digest
from trainer.limits import allowed_cpus

log = logging.getLogger(__name__)

_SCHEMA = 1
_FACTS = "facts.json"
# So that progress and record move along, however small images are.
MOST_PER_CHUNK = 256


@dataclass(frozen=True)
class Decoded:
    """The images in the order in which they were given; those that cannot be read are black."""

    pixels: Pixels
    told: Told


def decode_images(data_set: str, part_of: object, form: Form, images: Sequence[Encoded]) -> Decoded:
    """The decoded images, mapped from the node's cache; what is missing there is decoded by its CPUs.

    data_set   what it is called in messages
    part_of    JSON that tells the data set, and which of its images: maps of it of other files are dropped

    An attempt that was killed is gone on with. Without a cache everything is decoded into memory, here.
    Raises DataError where the disk has no room, and when a process that decodes is killed.
    """
    folder = cache_folder()
    if folder is None or not images:
        pixels, digests, told = Decoder(form).decode(images, 0)
        return Decoded(Pixels(pixels, digests=digests), told)
    prefix = hashlib.sha256(json.dumps([_SCHEMA, part_of], sort_keys=True).encode()).hexdigest()[:16]
    name = f"{prefix}-{identity(form, images)}"
    found = open_map(folder, f"{name}.map")
    if found is not None:
        return found
    with locked(folder, prefix):
        found = open_map(folder, f"{name}.map")  # another process may have decoded it by now
        if found is None:
            part = folder / f"{name}.part"
            drop_others(part, f"{prefix}-")
            _check_room(part, data_set, form, len(images))
            told = _decode_into(part, data_set, form, images)
            _finish(part, folder / f"{name}.map", form, len(images), told)
            found = open_map(folder, f"{name}.map")
    if found is None:
        raise DataError(f"{data_set}: its decoded images vanished from {folder}")
    return found


def changed_map(
    file: Path, stored: Pixels, word: str, how: object, change: Callable[[NDArray[Any]], NDArray[np.uint8]]
) -> Pixels:
    """A map beside another one, of that one's images changed to bytes; made where it is not there.

    file     of the other map, whose images are `stored`
    word     what is done to them, in the new map's name
    how      JSON that tells how
    change   values [n, C, H, W] to bytes [n, C, H, W]
    """
    folder, name = file.parent.parent, file.parent.name.removesuffix(".map")
    digest = hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]
    target = f"{name}-{word}-{digest}"
    form = Form(stored.shape[1], stored.shape[2])
    with locked(folder, target):
        found = open_map(folder, f"{target}.map")
        if found is None:
            part = folder / f"{target}.part"
            shutil.rmtree(part, ignore_errors=True)
            _check_room(part, word, form, len(stored))
            with RowFiles(part, form, len(stored)) as files:
                first = 0
                for chunk in stored.chunks():
                    pixels = change(chunk)
                    digests = b"".join(image_digest(image) for image in pixels)
                    files.write(first, pixels, np.frombuffer(digests, np.uint8))
                    first += len(chunk)
                files.sync()
            _finish(part, folder / f"{target}.map", form, len(stored), Told())
            found = open_map(folder, f"{target}.map")
    if found is None:
        raise DataError(f"{folder}: a map of decoded images vanished")
    return found.pixels


def open_map(folder: Path, name: str) -> Decoded | None:
    """A map of the cache, of which no image is read; None where there is none, or, logged, it was changed."""
    try:
        facts = json.loads((folder / name / _FACTS).read_bytes())
    except (OSError, ValueError):
        return None
    try:
        shape, dtype = tuple(facts["shape"]), np.dtype(facts["dtype"])
        for file, known in facts["files"].items():
            found = (folder / name / file).stat()
            if [found.st_size, found.st_mtime_ns] != known:
                raise ValueError(f"{file} was changed since it was written")
        pixels = np.memmap(folder / name / PIXELS, dtype, "r", shape=shape)
        digests = np.memmap(folder / name / DIGESTS, np.uint8, "r", shape=(shape[0], DIGEST_BYTES))
        told = Told.from_json(facts["told"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: damaged map of decoded images, decoded again: %s", folder / name, error)
        shutil.rmtree(folder / name, ignore_errors=True)
        return None
    return Decoded(Pixels(np.asarray(pixels), None, folder / name / PIXELS, np.asarray(digests)), told)


def chunk_size(form: Form) -> int:
    """Images per chunk: what a process decodes before it is noted as done."""
    return max(1, min(MOST_PER_CHUNK, CHUNK_BYTES // form.bytes_per_image))


def _decode_into(part: Path, data_set: str, form: Form, images: Sequence[Encoded]) -> Told:
    """Decode what a folder's record lacks; what all chunks told."""
    most = chunk_size(form)
    record = Record(part, most, uuid.uuid4().hex[:8])
    chunks = []
    for number, first in enumerate(range(0, len(images), most)):
        chunks.append(Chunk(number, first, images[first : first + most]))
    left = [chunk for chunk in chunks if chunk.number not in record.done]
    missing = sum(len(chunk.images) for chunk in left)
    before = len(images) - missing
    if before:
        log.info("%s: %s decoded by an earlier attempt", data_set, count(before, "image"))
    progress = Progress(data_set, len(images), before)

    def note(chunk: Chunk, told: Told) -> None:
        record.add(chunk.number, told)
        progress.add(len(chunk.images))

    with RowFiles(part, form, len(images)) as files:
        workers = min(allowed_cpus(), len(left))
        if workers > 1:
            decode_in_parallel(part, form, len(images), left, workers, note)
        else:
            decoder = Decoder(form)
            for chunk in left:
                pixels, digests, told = decoder.decode(chunk.images, chunk.first)
                files.write(chunk.first, pixels, digests)
                note(chunk, told)
        try:
            files.sync()
            _verify(files, form, data_set)
        except DataError:
            shutil.rmtree(part, ignore_errors=True)
            raise
    everything = Told()
    for chunk in chunks:
        everything.add(record.done[chunk.number])
    return everything


def _verify(files: RowFiles, form: Form, data_set: str) -> None:
    """Read everything again, and compare it with the hashes that were taken before it was written."""
    for pixels, digests in files.read(chunk_size(form)):
        for image, known in zip(pixels, digests, strict=True):
            if image_digest(image) != known.tobytes():
                raise DataError(
                    f"{data_set}: expected the cache's disk to give back what was written, found other pixels"
                )


def _finish(part: Path, target: Path, form: Form, images: int, told: Told) -> None:
    """Move a folder whose images are all there into place."""
    files = {}
    for name in (PIXELS, DIGESTS):
        found = (part / name).stat()
        files[name] = [found.st_size, found.st_mtime_ns]
    facts: dict[str, Any] = {
        "schema": _SCHEMA,
        "shape": [images, *form.shape],
        "dtype": form.dtype.str,
        "files": files,
        "told": told.to_json(),
    }
    (part / _FACTS).write_text(json.dumps(facts, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def _check_room(part: Path, data_set: str, form: Form, images: int) -> None:
    """Raise DataError where the disk has no room for what is not there yet; else make the folder."""
    part.mkdir(exist_ok=True)
    need = images * (form.bytes_per_image + DIGEST_BYTES)
    pixels = part / PIXELS
    there = os.stat(pixels).st_size if pixels.exists() else 0
    free = shutil.disk_usage(part).free
    if need - there <= free:
        return
    channels, side, _ = form.shape
    if not there:
        part.rmdir()
    raise DataError(
        f"{data_set}: expected {size(need - there)} free in the cache {part.parent} for "
        f"{count(images, 'image')} of {channels} x {side} x {side}, found {size(free)}; "
        "ALMSWEEP_CACHE names another folder"
    )
