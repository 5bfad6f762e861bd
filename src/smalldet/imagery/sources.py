"""Which pictures a person means by files, folders, patterns and lists; which of them are one."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.imagery.headers import Header, read_header
from smalldet.imagery.mosaics import Mosaic, adjoining
from smalldet.imagery.remote import is_remote
from smalldet.imagery.tile_indexes import listed_pictures

PICTURE_SUFFIXES = frozenset(
    (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".jp2", ".vrt", ".img")
)

FileSource = str | Mosaic
"""A picture by its name, or files that are one scene; `str` tells the name of either."""


def expand_sources(sources: Sequence[str | Path]) -> list[str]:
    """Each picture once, in the order given; those of a folder or pattern are sorted by name.

    Args:
        sources: files, folders (the pictures directly in them), patterns such as `run/*.tif`,
            lists of pictures (a tile index, STAC), and what only GDAL opens, such as URLs and
            /vsi paths, which stay as they are.

    Raises:
        FileNotFoundError: a file or folder does not exist, or a pattern meets nothing.
        ValueError: a folder has no pictures, a list is damaged, or there are no sources.
    """
    return list(dict.fromkeys(path for paths in _listed(sources) for path in paths[1]))


def find_sources(
    sources: Sequence[str | Path], options: ImageryOptions = USUAL
) -> list[FileSource]:
    """As `expand_sources`, with adjoining files as one scene unless `options` keep them separate.

    Such a scene is called by the folder or list that it is all of, else by its first file. A file
    that cannot be read stays single: what is wrong shows when it is opened.
    """
    listed = _listed(sources)
    paths = list(dict.fromkeys(path for _, inside in listed for path in inside))
    if options.separate or len(paths) < 2:
        return list(paths)
    scenes: dict[str, FileSource] = {path: path for path in paths}
    for mosaic, headers in adjoining(_headers(paths, options)):
        members = [header.path for header in headers]
        named = replace(mosaic, name=_name(members, listed))
        scenes[members[0]] = named
        for path in members[1:]:
            del scenes[path]
    return list(scenes.values())


def _headers(paths: Iterable[str], options: ImageryOptions) -> Iterable[Header]:
    for path in paths:
        if is_remote(path):
            continue
        try:
            header = read_header(path, options)
        except (OSError, ValueError):
            continue
        yield header


def _name(members: Sequence[str], listed: Sequence[tuple[str, list[str]]]) -> str:
    wanted = set(members)
    for source, paths in listed:
        if set(paths) == wanted and not glob.has_magic(source):
            return source
    folder = Path(members[0]).parent
    if {Path(member).parent for member in members} == {folder}:
        inside = {file.name for file in folder.iterdir() if _is_picture(file)}
        if inside == {Path(member).name for member in members}:
            return str(folder)
    return members[0]


def _listed(sources: Sequence[str | Path]) -> list[tuple[str, list[str]]]:
    """Each source with its pictures."""
    if not sources:
        raise ValueError("no pictures given: name files, folders or patterns")
    return [(str(source), _expanded(str(source))) for source in sources]


def _expanded(source: str) -> list[str]:
    path = Path(source)
    if is_remote(source):
        return [source]
    if path.is_file():
        return listed_pictures(path) or [source]
    if path.is_dir():
        inside = sorted(str(file) for file in path.iterdir() if _is_picture(file))
        if not inside:
            raise ValueError(f"{source}: no pictures in this folder")
        return inside
    if glob.has_magic(source):
        met = sorted(file for file in glob.glob(source, recursive=True) if _is_picture(Path(file)))  # noqa: PTH207 (pathlib cannot take absolute patterns)
        if not met:
            raise FileNotFoundError(f"{source}: no picture meets this pattern")
        return met
    raise FileNotFoundError(f"{source}: no such file or folder")


def _is_picture(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES
