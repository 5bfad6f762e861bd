"""Which pictures a person means by files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    (".tif", ".tiff", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".jp2", ".vrt", ".img")
)


def is_remote(source: str) -> bool:
    """True for what only GDAL can open: URLs and /vsi paths."""
    return source.startswith("/vsi") or "://" in source


def expand_sources(sources: Sequence[str | Path]) -> list[str]:
    """Each picture once, in the order given; those of a folder or pattern are sorted by name.

    Args:
        sources: files, folders (the pictures directly in them), patterns such as `run/*.tif`,
            and URLs or /vsi paths, which stay as they are.

    Raises:
        FileNotFoundError: a file or folder does not exist, or a pattern meets nothing.
        ValueError: a folder has no pictures, or there are no sources.
    """
    if not sources:
        raise ValueError("no pictures given: name files, folders or patterns")
    found = [path for source in sources for path in _expanded(str(source))]
    return list(dict.fromkeys(found))


def _expanded(source: str) -> list[str]:
    path = Path(source)
    if is_remote(source) or path.is_file():
        return [source]
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
