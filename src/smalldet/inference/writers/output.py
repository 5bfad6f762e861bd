"""Where results go: one file by its extension or format, or a directory of files."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result, unique_stems
from smalldet.inference.writers.layer_formats import check_counts, whole_or_not, write_counts
from smalldet.inference.writers.placing import SOURCE, named_crs
from smalldet.inference.writers.table import (
    WRITER_OF_NAME,
    WRITER_OF_SUFFIX,
    WRITERS,
    Writer,
)

logger = logging.getLogger(__name__)

LOSSES = {"masks": "masks", "rboxes": "oriented boxes (upright ones are written)"}
"""{column that a format may not keep: what it is to people}."""

COMBINED = "detections.json"
DEFAULT_MAPS = MapOptions()


def is_directory(out: str | os.PathLike[str]) -> bool:
    """True for what exists as a directory, ends with a slash or has no extension."""
    text = os.fspath(out)
    return Path(text).is_dir() or text.endswith(("/", os.sep)) or not Path(text).suffix


def chosen_writer(out: str | os.PathLike[str], maps: MapOptions) -> Writer | None:
    """The format that was asked for; None for a folder of maps, pictures and one COCO file.

    Raises:
        ValueError: the extension or the format is unknown, or they do not fit each other.
    """
    if maps.format is not None:
        writer = WRITER_OF_NAME.get(maps.format)
        if writer is None:
            known = ", ".join(WRITER_OF_NAME)
            raise ValueError(f"{out}: there is no format {maps.format!r}; there are {known}")
        if not is_directory(out) and Path(out).suffix.lower() not in writer.suffixes:
            wanted = " or ".join((*writer.suffixes, "a directory"))
            raise ValueError(f"{out}: {writer.name} is written to {wanted}")
        return writer
    if is_directory(out):
        return None
    writer = WRITER_OF_SUFFIX.get(Path(out).suffix.lower())
    if writer is None:
        known = ", ".join(WRITER_OF_SUFFIX)
        others = ", ".join(writer.name for writer in WRITERS if not writer.by_suffix)
        raise ValueError(
            f"{out}: unknown extension; known are {known}, or name a directory; --format asks for "
            f"{others}"
        )
    return writer


def check_output(
    out: str | os.PathLike[str], num_sources: int, maps: MapOptions = DEFAULT_MAPS
) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        ValueError: an unknown extension, format or crs, a format that this machine cannot write, or
            one picture for several sources.
    """
    if maps.crs is not None and maps.crs != SOURCE:
        named_crs(maps.crs)
    check_counts(Path(out), maps)
    writer = chosen_writer(out, maps)
    if maps.ids is not None and (writer is None or writer.name != "coco-results"):
        raise ValueError(f"{out}: --ids goes with --format coco-results")
    if writer is None:
        return
    if writer.one_picture_only and num_sources > 1 and not is_directory(out):
        raise ValueError(f"{out}: holds one picture and not {num_sources}; name a directory")
    if writer.check is not None:
        writer.check(Path(out), maps)


def write(
    path: str | os.PathLike[str], results: Sequence[Result], maps: MapOptions = DEFAULT_MAPS
) -> list[Path]:
    """Write results to one file by its extension or format, or to a directory.

    A directory without a format gets for each picture a .jpg with the boxes and a .geojson, and one
    COCO file `detections.json` for all. Every file appears whole or not at all. What a format
    cannot keep is told by a warning.

    Args:
        path: a file with one of the suffixes in `WRITERS`, or a directory.
        results: one or more pictures.
        maps: the format, coordinates and shapes of map formats, and what is counted.

    Returns:
        the files written.

    Raises:
        ValueError: there are no results, or they do not fit the format.
    """
    if not results:
        raise ValueError(f"{path}: there are no results to write")
    check_output(path, len(results), maps)
    if chosen_writer(path, maps) is not None:
        return write_together(path, results, maps)
    names = unique_stems([result.name for result in results])
    written = [
        file
        for name, result in zip(names, results, strict=True)
        for file in write_one(Path(path), name, result, maps)
    ]
    return [*written, *write_together(path, results, maps)]


def write_one(folder: Path, stem: str, result: Result, maps: MapOptions) -> list[Path]:
    """The files of one picture in a directory without a format."""
    placed = maps if result.georeferenced else maps.model_copy(update={"crs": None})
    files = {folder / f"{stem}.geojson": placed, folder / f"{stem}.jpg": maps}
    return [
        file
        for path, options in files.items()
        for file in _written(WRITER_OF_SUFFIX[path.suffix], path, [result], options)
    ]


def write_together(
    path: str | os.PathLike[str], results: Sequence[Result], maps: MapOptions
) -> list[Path]:
    """What all pictures share: all of a format, else the COCO file of a directory; and counts."""
    writer, target = chosen_writer(path, maps), Path(path)
    if writer is None:
        writer, target = WRITER_OF_NAME["coco"], target / COMBINED
    _tell_losses(target, writer, results)
    counted = target / COMBINED if is_directory(target) else target
    return [*_written(writer, target, results, maps), *write_counts(counted, results, maps)]


def _tell_losses(target: Path, writer: Writer, results: Sequence[Result]) -> None:
    found = [result.detections for result in results]
    for column in writer.loses:
        num = sum(len(one) for one in found if getattr(one, column) is not None)
        if num:
            logger.warning("%s: %s cannot keep %d %s", target, writer.name, num, LOSSES[column])


def _written(
    writer: Writer, target: Path, results: Sequence[Result], maps: MapOptions
) -> list[Path]:
    """The files of a format: the one that is named, or those in a directory."""
    if writer.write_folder is not None:
        return writer.write_folder(target, results, maps)
    if not is_directory(target):
        return [_write_file(writer, target, results, maps)]
    suffix = writer.suffixes[0]
    if not writer.one_picture_only:
        file = target / (writer.file_name or f"detections{suffix}")
        return [_write_file(writer, file, results, maps)]
    stems = unique_stems([result.name for result in results])
    return [
        _write_file(writer, target / f"{stem}{suffix}", [result], maps)
        for stem, result in zip(stems, results, strict=True)
    ]


def _write_file(writer: Writer, path: Path, results: Sequence[Result], maps: MapOptions) -> Path:
    assert writer.write is not None
    with whole_or_not(path) as draft:
        writer.write(draft, results, maps)
    return path
