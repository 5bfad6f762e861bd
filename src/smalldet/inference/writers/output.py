"""Where results go: one file by its extension, or a directory of files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from smalldet.atomic_write import atomic_write
from smalldet.imagery.sources import is_remote
from smalldet.inference.results import Result
from smalldet.inference.writers.geojson import write_geojson
from smalldet.inference.writers.geopackage import write_geopackage
from smalldet.inference.writers.picture import write_picture
from smalldet.inference.writers.placing import SOURCE, named_crs
from smalldet.inference.writers.tables import write_coco, write_csv, write_dota


@dataclass(frozen=True)
class Writer:
    """One format of results.

    Args:
        suffixes: of its files, in small letters.
        write: (file, results, crs) to the file; crs is None for the format's usual one.
        one_picture_only: whether a file holds a single picture.
    """

    suffixes: tuple[str, ...]
    write: Callable[[Path, Sequence[Result], str | None], None]
    one_picture_only: bool = False


WRITERS: tuple[Writer, ...] = (
    Writer((".geojson",), write_geojson),
    Writer((".gpkg",), write_geopackage),
    Writer((".json",), write_coco),
    Writer((".csv",), write_csv),
    Writer((".txt",), write_dota, one_picture_only=True),
    Writer((".png", ".jpg", ".jpeg"), write_picture, one_picture_only=True),
)
"""A new format is a file with its function and a line here."""

WRITER_OF_SUFFIX = {suffix: writer for writer in WRITERS for suffix in writer.suffixes}
COMBINED = "detections.json"


def is_directory(out: str | os.PathLike[str]) -> bool:
    """True for what exists as a directory, ends with a slash or has no extension."""
    text = os.fspath(out)
    return Path(text).is_dir() or text.endswith(("/", os.sep)) or not Path(text).suffix


def check_output(out: str | os.PathLike[str], num_sources: int, crs: str | None = None) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        ValueError: an unknown extension or crs, or one picture for several sources.
    """
    if crs is not None and crs != SOURCE:
        named_crs(crs)
    if is_directory(out):
        return
    writer = WRITER_OF_SUFFIX.get(Path(out).suffix.lower())
    if writer is None:
        known = ", ".join(WRITER_OF_SUFFIX)
        raise ValueError(f"{out}: unknown extension; known are {known}, or name a directory")
    if writer.one_picture_only and num_sources > 1:
        raise ValueError(f"{out}: holds one picture and not {num_sources}; name a directory")


def write(
    path: str | os.PathLike[str], results: Sequence[Result], crs: str | None = None
) -> list[Path]:
    """Write results to one file by its extension, or to a directory.

    A directory gets for each picture a .jpg with the boxes and a .geojson, and one COCO file
    `detections.json` for all. Every file appears whole or not at all.

    Args:
        path: a file with one of the suffixes in `WRITERS`, or a directory.
        results: one or more pictures.
        crs: coordinates of map formats: None for their usual, "source", or such as EPSG:32633.

    Returns:
        the files written.

    Raises:
        ValueError: there are no results, or they do not fit the format.
    """
    if not results:
        raise ValueError(f"{path}: there are no results to write")
    check_output(path, len(results), crs)
    if not is_directory(path):
        return [_write_file(Path(path), results, crs)]
    names = unique_stems([result.name for result in results])
    written = [
        file
        for name, result in zip(names, results, strict=True)
        for file in write_one(Path(path), name, result, crs)
    ]
    return [*written, _write_file(Path(path) / COMBINED, results, None)]


def write_one(folder: Path, stem: str, result: Result, crs: str | None) -> list[Path]:
    """The files of one picture in a directory."""
    map_crs = crs if result.georeferenced else None
    return [
        _write_file(folder / f"{stem}.geojson", [result], map_crs),
        _write_file(folder / f"{stem}.jpg", [result], None),
    ]


def _write_file(path: Path, results: Sequence[Result], crs: str | None) -> Path:
    with atomic_write(path) as draft:
        WRITER_OF_SUFFIX[path.suffix.lower()].write(draft, results, crs)
    return path


def unique_stems(names: Sequence[str]) -> list[str]:
    """A file name without extension for each source; a second of one name gets a number."""
    taken: set[str] = set()
    stems = []
    for name in names:
        path = PurePosixPath(urlsplit(name).path) if is_remote(name) else Path(name)
        plain = re.sub(r"[^\w.\- ]", "_", path.stem) or "picture"
        stem, number = plain, 2
        while stem.casefold() in taken:  # some file systems do not tell A from a
            stem, number = f"{plain}_{number}", number + 1
        taken.add(stem.casefold())
        stems.append(stem)
    return stems
