"""What an Ultralytics data.yaml names: its classes, the pictures of a split, and their labels.

Layout: https://docs.ultralytics.com/datasets/detect/. Roboflow's export writes `../train/images`
for a folder beside the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smalldet.data.formats.picture_files import (
    is_dir,
    is_file,
    pictures_in,
    refuse_missing,
)
from smalldet.data.formats.text_files import utf8_text

SPLITS = ("train", "val", "test")
ALIASES = {"val": ("val", "validation", "valid")}
MAX_LIST_BYTES = 256 << 20


def class_names_of(file: Path, content: dict[str, Any]) -> tuple[str, ...]:
    """The classes by number: `names` is a list, or a mapping of numbers from 0.

    Raises:
        ValueError: there are none, they leave numbers out, or `nc` counts others.
    """
    names = content.get("names")
    if isinstance(names, dict):
        if sorted(names) != sorted(str(number) for number in range(len(names))):
            raise ValueError(f"{file}: names must number the classes from 0 without a gap")
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError(f"{file}: needs names, a list of classes; add them or give class_names")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 2000 else []
    if twice:
        raise ValueError(f"{file}: names has {twice} twice")
    num = content.get("nc")
    if num is not None and num != str(len(names)):
        raise ValueError(f"{file}: nc is {num}, but names has {len(names)} classes")
    return tuple(names)


def pictures_of_split(file: Path, content: dict[str, Any], split: str) -> list[Path]:
    """The pictures of a split in the order of the file, each once.

    Raises:
        FileNotFoundError: a folder, list or picture does not exist.
        ValueError: the file has no such split, or it is no path or list of paths.
    """
    key = next((key for key in ALIASES.get(split, (split,)) if content.get(key)), None)
    if key is None:
        there = [key for key in content if key in (*SPLITS, *ALIASES["val"]) and content[key]]
        raise ValueError(f"{file}: has no split {split!r}; it has {', '.join(there) or 'none'}")
    entries = content[key] if isinstance(content[key], list) else [content[key]]
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise ValueError(f"{file}: {key} must be a path or a list of paths")
    pictures: dict[Path, None] = {}
    for entry in entries:
        place = _place(file, content, key, entry)
        listed = place.suffix.lower() == ".txt"
        found = _listed(place, roots_of(file, content)) if listed else pictures_in(place, deep=True)
        if not found:
            raise FileNotFoundError(f"{file}: {key} names {place}, which has no pictures")
        pictures.update(dict.fromkeys(found))
    return list(pictures)


def roots_of(file: Path, content: dict[str, Any]) -> list[Path]:
    """Where the splits' paths may start, the likeliest first: `path`, then the file's own folder.

    Data that was moved often keeps a `path` of another machine.
    """
    own = file.parent
    path = content.get("path")
    if not isinstance(path, str) or not path:
        return [own]
    given = Path(path).expanduser()
    roots = [given] if given.is_absolute() else [own / given, own.parent / given, given]
    return [root for root in roots if is_dir(root)] + [own]


def _place(file: Path, content: dict[str, Any], key: str, entry: str) -> Path:
    roots = roots_of(file, content)
    tries = [root / entry for root in roots]
    if entry.startswith("../"):
        tries += [root / entry.removeprefix("../") for root in roots]
    for place in tries:
        if is_dir(place) or is_file(place):
            return place
    looked = "\n  ".join(str(place) for place in dict.fromkeys(tries))
    raise FileNotFoundError(f"{file}: {key} is {entry!r}; there is none of\n  {looked}")


def _listed(file: Path, roots: Sequence[Path]) -> list[Path]:
    """Pictures that a text file lists, from its own folder or from a root."""
    lines = [line.strip() for line in utf8_text(file, MAX_LIST_BYTES).split("\n")]
    names = [line for line in lines if line]
    for root in dict.fromkeys((file.parent, *roots)):
        paths = [root / name for name in names]
        if paths and is_file(paths[0]):
            break
    else:
        paths = [file.parent / name for name in names]
    refuse_missing(paths, file)
    return paths


def label_path(picture: Path) -> Path:
    """The label file of a picture: the last folder `images` of its path is `labels` there."""
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")
