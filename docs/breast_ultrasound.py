"""BreastMNIST as a folder per class, named by groups: the data of docs/spaces/breast-ultrasound.yaml.

    python -m docs.breast_ultrasound --data data/breastmnist/breastmnist.npz --to data/breast-ultrasound

BreastMNIST (Yang et al. 2023; Al-Dhabyani et al. 2020) has 780 ultrasound images of 28 x 28 pixels, 210 of
them malignant, and says nothing of patients. Its three splits become one, image after image, and five
neighbouring images a group:

    benign/block000_0001.png      normal or benign
    malignant/block000_0003.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from search_spaces.config import MedMnist
from search_spaces.errors import AlmsweepError, InputError
from trainer.data.sources.read import read_source

# BreastMNIST's labels.
CLASSES = {0: "malignant", 1: "benign"}
OF_ONE_GROUP = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        counts = write(options.data, options.to)
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    told = ", ".join(f"{label} {number}" for label, number in counts.items())
    print(f"{options.to}: {told}, in groups of {OF_ONE_GROUP}")
    return 0


def write(npz: Path, folder: Path) -> dict[str, int]:
    """Write the images below a folder that is not there; returns how many each class has.

    Raises InputError where the folder is there, DataError where the file cannot be read.
    """
    if folder.exists():
        raise InputError(f"--to: expected a folder that is not there, given {folder}")
    source = MedMnist.model_validate({"subset": npz.stem})
    raw = read_source(source, tuple(CLASSES), npz.absolute().parent, download=False)
    pixels = np.concatenate([images.pixels for _, images in raw.splits()])
    classes = np.concatenate([images.classes for _, images in raw.splits()])
    counts = dict.fromkeys(CLASSES.values(), 0)
    for label in counts:
        (folder / label).mkdir(parents=True)
    for number, (image, position) in enumerate(zip(pixels, classes.tolist(), strict=True)):
        label = list(CLASSES.values())[position]
        name = f"block{number // OF_ONE_GROUP:03d}_{number:04d}.png"
        Image.fromarray(image[0]).save(folder / label / name)
        counts[label] += 1
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.breast_ultrasound")
    parser.add_argument("--data", type=Path, required=True, help="BreastMNIST's file, breastmnist.npz")
    parser.add_argument("--to", type=Path, required=True, help="the folder to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
