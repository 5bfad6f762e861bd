"""Pictures of a set under names of their own in another folder, without a copy where possible."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from smalldet.data.formats.picture_files import is_file


def link_pictures(pictures: Sequence[Path], folder: Path) -> list[Path]:
    """Names in `folder` that stand for the pictures; no two differ in their endings alone.

    A symbolic link, else a hard link, else a copy. A picture that lies there already stays.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: another file has the name already, or the folder cannot be written to.
    """
    names = distinct_names(pictures)
    links: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture, name in zip(pictures, names, strict=True):
            link = folder / name
            if not is_file(picture):
                raise FileNotFoundError(f"{picture}: no such file")
            if link.is_symlink() and not link.exists():
                link.unlink()  # its picture is gone
            if not link.exists():
                _link(picture.resolve(), link)
            elif not link.samefile(picture) and not _same(link, picture):
                raise ValueError(f"{link}: is another file already; name an empty folder")
            links.append(link)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written to: {error.strerror}") from error
    return links


def distinct_names(pictures: Sequence[Path]) -> list[str]:
    """File names, each with a stem of its own: `a.png` and `a.jpg` become `a.png`, `a_2.jpg`."""
    taken = {picture.stem.casefold() for picture in pictures}
    used: set[str] = set()
    numbers: dict[str, int] = {}
    names: list[str] = []
    for picture in pictures:
        stem, own = picture.stem, picture.stem.casefold()
        while stem.casefold() in used or (stem.casefold() != own and stem.casefold() in taken):
            numbers[own] = numbers.get(own, 1) + 1
            stem = f"{picture.stem}_{numbers[own]}"
        used.add(stem.casefold())
        names.append(stem + picture.suffix)
    return names


def _link(picture: Path, link: Path) -> None:
    try:
        link.symlink_to(picture)
    except (OSError, NotImplementedError):
        try:
            os.link(picture, link)
        except OSError:
            shutil.copyfile(picture, link)


def _same(one: Path, other: Path) -> bool:
    """A copy of an earlier run, where links cannot be made."""
    if one.stat().st_size != other.stat().st_size:
        return False
    return one.read_bytes() == other.read_bytes()
