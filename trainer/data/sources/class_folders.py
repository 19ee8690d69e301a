"""Which folders of a data set are splits, which are classes, and which of their files are images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.data.sources.decode import EXTENSIONS
from trainer.data.sources.faults import Malformed
from trainer.data.sources.images import Origin, Passed
from trainer.data.sources.paths import composed, name_below, readable

# What splits' folders are called, in any case, also with "set" or "data" behind: "Training", "test_set".
SPLIT_NAMES: dict[Origin, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
_BEHIND = re.compile(r"[ _-]?(set|data)$")
_ENDING = re.compile(r"\.[a-z][a-z0-9_~-]{0,9}")


@dataclass(frozen=True)
class SplitFolders:
    """Where the images of each split lie; None for a split that the data set has not."""

    root: Path
    train: Path
    validation: Path | None = None
    test: Path | None = None

    def __iter__(self) -> Iterator[Path]:
        for folder in (self.train, self.validation, self.test):
            if folder is not None:
                yield folder


def split_of(name: str) -> Origin | None:
    """The split that a folder's name means, if any.

    >>> split_of("Training"), split_of("test_set"), split_of("VAL"), split_of("benign")
    ('train', 'test', 'validation', None)
    """
    word = _BEHIND.sub("", name.lower())
    for split, names in SPLIT_NAMES.items():
        if word in names:
            return split
    return None


def split_folders(root: Path, passed: Passed) -> SplitFolders:
    """The splits below a data set's folder; without a training one the folder itself is that.

    A folder is a split's if its name says so and it holds folders. What lies beside the splits is passed
    over. Raises Malformed where two folders are the same split.
    """
    found: dict[Origin, list[Path]] = {"train": [], "validation": [], "test": []}
    others = []
    for folder in subfolders(root):
        split = split_of(folder.name)
        if split is not None and subfolders(folder):
            found[split].append(folder)
        else:
            others.append(folder)
    if not found["train"]:
        for folder in found["validation"] + found["test"]:
            passed.add("folders that are called as a split, without a training folder", readable(folder.name))
        return SplitFolders(root, root)
    for split, folders in found.items():
        if len(folders) > 1:
            names = ", ".join(readable(folder.name) for folder in folders)
            raise Malformed(f"{readable(root)}: expected one folder of the {split} split, found {names}")
    for folder in others:
        passed.add("folders beside the splits", readable(folder.name))
    train, validation, test = (folders[0] if folders else None for folders in found.values())
    return SplitFolders(root, train or root, validation, test)


def class_folders(split: Path) -> dict[str, Path]:
    """The class folders of a split, by their names in composed form.

    Raises Malformed where two folders have one name in two Unicode forms.
    """
    found: dict[str, Path] = {}
    for folder in subfolders(split):
        name = composed(folder.name)
        if name in found:
            raise Malformed(
                f"{readable(split)}: expected each class folder once, found {readable(name)} "
                "in two Unicode forms"
            )
        found[name] = folder
    return found


def images_in(folder: Path, root: Path, passed: Passed) -> list[Path]:
    """The images of a class; what else lies in its folder is counted, but for hidden files.

    A link that leads nowhere counts as an image, for one is missing.
    """
    images = []
    for entry in _entries(folder):
        path = Path(entry.path)
        name = name_below(root, path)
        if _is_folder(entry):
            _pass_over(path, root, passed)
        elif path.suffix.lower() not in EXTENSIONS:
            passed.add(_kind_of(path), name)
        elif entry.is_symlink() or entry.is_file():
            images.append(path)
        else:
            passed.add("devices, pipes and sockets", name)
    return images


def images_below(folder: Path) -> Iterator[Path]:
    """The images at any depth below a folder, but for hidden ones. Links to folders are not followed."""
    for inner, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                yield Path(inner, name)


def loose_images(
    folder: Path, root: Path, passed: Passed, reason: str = "images beside the class folders"
) -> None:
    """Count the images that lie beside the class folders of a split."""
    for entry in _entries(folder):
        path = Path(entry.path)
        if path.suffix.lower() in EXTENSIONS and not _is_folder(entry):
            passed.add(reason, name_below(root, path))


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, and links to some, by name; neither hidden ones nor what macOS adds."""
    found = []
    for entry in _entries(folder):
        if _is_folder(entry) and entry.name != "__MACOSX":
            found.append(Path(entry.path))
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise Malformed(
            f"{readable(folder)}: expected a folder, could not list it: {error.strerror}"
        ) from error
    return sorted(visible, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one that may not be followed
        return False


def _pass_over(folder: Path, root: Path, passed: Passed) -> None:
    """Count the files below a folder in a class. Links to folders are not followed: they may lead back."""
    if folder.is_symlink():
        passed.add("links to folders in a class", name_below(root, folder))
        return
    for inner, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if not name.startswith("."):
                passed.add("files in sub-folders of a class", name_below(root, Path(inner, name)))


def _kind_of(path: Path) -> str:
    ending = path.suffix.lower()
    if _ENDING.fullmatch(ending):
        return f"files ending {ending}"
    return "files without an ending that tells what they are"
