"""Large image sets: decoded once into a map, against torchvision's ImageFolder with a DataLoader.

    python -m benchmarks.large_images --data DATA --folder FOLDER --limit-gib 4

The set is CIFAR-10 enlarged to 224 x 224: JPEG files in a folder per class, made in FOLDER where they are not
there. Each contestant runs in a process of its own, without and with a limit on its memory (a control group,
which needs root). Told are the seconds before the first epoch, the images per second of epochs of cropped,
flipped and normalised batches (no network is trained), and the most private memory of the process and its
children. Under a limit the pages of the map count too, and leave memory when others need it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

SIDE = 224
BATCH = 64
CLASSES = 10
CONTESTANTS = ("ours", "imagefolder")
_GROUPS = Path("/sys/fs/cgroup")


def make_images(data: Path, folder: Path, images: int) -> None:
    """Write the files that are missing: `<folder>/set/<class>/<number>.jpg`."""
    import numpy as np
    from PIL import Image

    from search_spaces.config import Cifar10
    from trainer.data.sources.read import read_source

    missing = [number for number in range(images) if not _file(folder, number).is_file()]
    if not missing:
        return
    train = read_source(Cifar10(), tuple(range(CLASSES)), data, download=False).train
    train_pixels = np.asarray(train.pixels)
    by_class = [(train.classes == label).nonzero()[0] for label in range(CLASSES)]
    for number in missing:
        label, place = number % CLASSES, number // CLASSES
        pixels = train_pixels[by_class[label][place % len(by_class[label])]]
        path = _file(folder, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        enlarged = Image.fromarray(pixels.transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        enlarged.save(path, quality=90)


def _file(folder: Path, number: int) -> Path:
    return folder / "set" / f"class{number % CLASSES}" / f"{number // CLASSES:05d}.jpg"


class PeakMemory:
    """The most private memory of this process and its children together, looked at ten times a second."""

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The most so far."""
        self._ended.set()
        self._thread.join()
        return self.bytes

    def _look(self) -> None:
        me = psutil.Process()
        while True:
            total = 0
            for process in (me, *me.children(recursive=True)):
                total += _private_bytes(process.pid)
            self.bytes = max(self.bytes, total)
            if self._ended.wait(0.1):
                return


def _private_bytes(pid: int) -> int:
    """Memory that is no file's: RssAnon."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
    return 0


def ours(folder: Path, images: str) -> tuple[float, Callable[[], int], str]:
    """Seconds until the images are there; an epoch, which returns how many images it gave; where they are."""
    import torch

    from search_spaces.config import AugmentationConfig, ImageFolder, MultiClass
    from trainer.data.examples import make_examples
    from trainer.data.task import load_task

    started = time.perf_counter()
    task = MultiClass(
        source=ImageFolder(folder="set", size=SIDE),
        classes=tuple(f"class{label}" for label in range(CLASSES)),
        critical=("class0",),
        validation_per_class=1,
        test_per_class=1,
    )
    data = load_task(task, folder)
    decoding = time.perf_counter() - started
    generator = torch.Generator().manual_seed(0)
    examples = make_examples(
        data,
        AugmentationConfig(),
        torch.device("cpu"),
        images,  # type: ignore[arg-type]
        target_dtype=torch.int64,
        memory_format=torch.channels_last,
    )
    count = len(data.pool)
    batches = examples.batches(capacity=count, batch_size=BATCH)

    def epoch() -> int:
        batches.begin(torch.randperm(count, generator=generator), examples.draw(count, generator))
        for first in range(0, count, BATCH):
            size = min(BATCH, count - first)
            batches.load(size)
            batches.next(size)
        return count

    return decoding, epoch, "streamed" if examples.streams else "resident"


def imagefolder(folder: Path, images: str) -> tuple[float, Callable[[], int], str]:
    """The same of torchvision, which decodes in every epoch, in a process per core."""
    import torch

    from benchmarks.cases import usable_cores
    from trainer.compat import import_torchvision_datasets

    started = time.perf_counter()
    datasets = import_torchvision_datasets()
    from torchvision import transforms

    steps = transforms.Compose(
        [
            transforms.RandomCrop(SIDE, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.25,) * 3),
        ]
    )
    found = datasets.ImageFolder(folder / "set", transform=steps)
    loader = torch.utils.data.DataLoader(found, batch_size=BATCH, shuffle=True, num_workers=usable_cores())

    def epoch() -> int:
        return sum(len(batch) for batch, _ in loader)

    return time.perf_counter() - started, epoch, "files"


def measure(contestant: str, folder: Path, images: str, epochs: int) -> dict[str, Any]:
    """One contestant in this process."""
    import torch

    torch.set_num_threads(1)
    peak = PeakMemory()
    make = ours if contestant == "ours" else imagefolder
    decoding, epoch, where = make(folder, images)
    rates = []
    for _ in range(epochs):
        started = time.perf_counter()
        count = epoch()
        rates.append(count / (time.perf_counter() - started))
    return {
        "contestant": contestant,
        "images": where,
        "seconds_before": round(decoding, 1),
        "images_per_second": [round(rate, 1) for rate in rates],
        "peak_private_mib": round(peak.stop() / 2**20),
    }


@contextlib.contextmanager
def limited(gib: float | None) -> Iterator[list[Path]]:
    """A control group with this limit of memory: the files that take a process into it; none without."""
    if gib is None:
        yield []
        return
    name, old = f"large-images-{os.getpid()}", _GROUPS / "memory"
    group = (old if old.is_dir() else _GROUPS) / name
    group.mkdir()
    try:
        file = "memory.limit_in_bytes" if old.is_dir() else "memory.max"
        (group / file).write_text(str(int(gib * 2**30)))
        yield [group / "cgroup.procs"]
    finally:
        group.rmdir()


def in_a_process(contestant: str, options: argparse.Namespace, gib: float | None) -> dict[str, Any]:
    """Measure in a new process, in a control group of its own where there is a limit, with an empty cache."""
    command = [sys.executable, "-m", "benchmarks.large_images", "--measure", contestant]
    command += ["--folder", str(options.folder), "--epochs", str(options.epochs)]
    with limited(gib) as groups, tempfile.TemporaryDirectory(dir=options.folder) as cache:
        pids = [str(path) for path in groups]

        def enter() -> None:
            for path in pids:
                Path(path).write_text(str(os.getpid()))

        environment = {**os.environ, "ALMSWEEP_CACHE": cache}
        done = subprocess.run(
            command, env=environment, preexec_fn=enter, stdout=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        return {"contestant": contestant, "limit_gib": gib, "failed": done.returncode}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "limit_gib": gib}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the set, measure, and print a line of JSON each; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_images", description=__doc__)
    parser.add_argument("--data", type=Path, help="where CIFAR-10 lies")
    parser.add_argument("--folder", type=Path, required=True, help="where the files are made, and the cache")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit-gib", type=float, default=4.0, help="0: only without a limit")
    parser.add_argument("--measure", choices=CONTESTANTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.folder, "auto", options.epochs)))
        return 0
    if options.data is None:
        parser.error("--data: expected where CIFAR-10 lies, given none")
    make_images(options.data, options.folder, options.images)
    limits = [None, options.limit_gib] if options.limit_gib else [None]
    print(json.dumps({"images": options.images, "load": os.getloadavg()[0]}))
    for gib in limits:
        for contestant in CONTESTANTS:
            print(json.dumps(in_a_process(contestant, options, gib)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
