"""Pictures of a labelled set: which there are in a folder, and their sizes from their headers."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery.rasters import open_dataset
from smalldet.wording import shortened

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2"))
HEADER_BYTES = 64 << 10
MAX_SHOWN = 5
# Start-of-frame markers of JPEG; the three left out between them are tables.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SCAN, END = 0xDA, 0xD9


def is_file(path: Path) -> bool:
    """Whether there is such a file; no name is so odd that it raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Whether there is such a folder; no name is so odd that it raises."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def pictures_in(folder: Path, deep: bool = False) -> list[Path]:
    """The pictures of a folder by name, hidden files left out; of its folders too if `deep`.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not is_dir(folder):
        raise FileNotFoundError(f"{folder}: no such folder of pictures")
    if deep:
        files = [file for file in folder.rglob("*") if _is_picture(file.name) and file.is_file()]
        return sorted(files, key=str)
    with os.scandir(folder) as entries:  # one call tells of each entry whether it is a file
        names = [one.name for one in entries if _is_picture(one.name) and one.is_file()]
    return [folder / name for name in sorted(names)]


def _is_picture(name: str) -> bool:
    return PurePath(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def text_files(folder: Path, suffix: str = ".txt") -> list[Path]:
    """The files of a folder that end so, by name; `classes.txt` is none of them. May be none."""
    if not is_dir(folder):
        return []
    with os.scandir(folder) as entries:
        names = [one.name for one in entries if one.name.endswith(suffix)]
    return [folder / name for name in sorted(names) if name != "classes.txt"]


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """{name without its ending: picture} of a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: two pictures differ in their endings alone, so that labels fit both.
    """
    found: dict[str, Path] = {}
    for file in pictures_in(folder):
        other = found.setdefault(file.stem, file)
        if other is not file:
            raise ValueError(
                f"{file}: labels of {file.stem} fit {other.name} too; move one of them away"
            )
    return found


def pictures_named(
    folder: Path, stems: Sequence[str], source: Path, others: bool = False
) -> list[Path]:
    """The picture of each name without ending.

    Args:
        folder: where they lie.
        stems: the names.
        source: the file or folder that names them, for the message.
        others: after them, the pictures of the folder that have no such name.

    Raises:
        FileNotFoundError: some are not there; says how many and shows the first.
        ValueError: see `pictures_by_stem`.
    """
    there = pictures_by_stem(folder)
    missing = [stem for stem in stems if stem not in there]
    if missing:
        shown = shortened(missing, MAX_SHOWN)
        raise FileNotFoundError(
            f"{source}: {len(missing)} of {len(stems)} pictures are not in {folder} "
            f"(give images_dir if they are elsewhere): {shown}"
        )
    named = [there[stem] for stem in stems]
    if others:
        taken = set(stems)
        named += [picture for stem, picture in there.items() if stem not in taken]
    return named


def refuse_missing(pictures: Sequence[Path], source: Path) -> None:
    """Raises FileNotFoundError if some pictures that `source` names are not there; shows a few."""
    # A folder is listed once: asking for each of 100,000 files is slow on a network disk.
    folders = {path.parent for path in pictures}
    there = {file for folder in folders if is_dir(folder) for file in folder.iterdir()}
    missing = [path for path in pictures if path not in there and not is_file(path)]
    if missing:
        shown = "\n  ".join(str(path) for path in missing[:MAX_SHOWN])
        raise FileNotFoundError(
            f"{source}: {len(missing)} of {len(pictures)} pictures do not exist "
            f"(give images_dir if they are elsewhere):\n  {shown}"
        )


def picture_size(picture: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    with open_dataset(str(picture)) as dataset:
        return dataset.width, dataset.height


def picture_sizes(pictures: Sequence[Path]) -> NDArray[np.int64]:
    """(P, 2) widths and heights in pixels.

    PNG and JPEG tell theirs in a few bytes; whatever else it is, or seems wrong, GDAL opens.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a file is no picture.
    """
    sizes = [_from_header(path) or picture_size(path) for path in pictures]
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _from_header(path: Path) -> tuple[int, int] | None:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
            if head.startswith(b"\xff\xd8"):
                return _jpeg_size(head) or _jpeg_size(head + file.read(HEADER_BYTES))
    except OSError:
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR") and len(head) >= 33:
        width, height = struct.unpack(">II", head[16:24])
        return (width, height) if 0 < width < 1 << 31 and 0 < height < 1 << 31 else None
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """ITU-T T.81, B.1 and B.2.2: segments with their lengths until the one of the frame."""
    place = 2
    while place + 9 < len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker == 0xFF:  # a byte to fill up with
            place += 1
            continue
        if marker in FRAMES:
            precision, height, width = struct.unpack(">BHH", head[place + 4 : place + 9])
            return (width, height) if precision == 8 and width and height else None
        if marker in (SCAN, END):
            return None
        place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None
