"""Where results go: one file by its extension, or a directory of files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from smalldet.imagery.remote import is_remote
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.gdal_files import save_flatgeobuf, save_kml, save_shapefile
from smalldet.inference.writers.geojson import write_geojson
from smalldet.inference.writers.geopackage import write_geopackage
from smalldet.inference.writers.geoparquet import check_pyarrow, save_geoparquet
from smalldet.inference.writers.layer_formats import check_counts, whole_or_not, write_counts
from smalldet.inference.writers.layers import Layer, detection_layer, map_crs
from smalldet.inference.writers.picture import write_picture
from smalldet.inference.writers.placing import SOURCE, WGS84, named_crs
from smalldet.inference.writers.tables import write_coco, write_csv, write_dota

WriteResults = Callable[[Path, Sequence[Result], MapOptions], None]


@dataclass(frozen=True)
class Writer:
    """One format of results.

    Args:
        suffixes: of its files, in small letters.
        write: (file, results, options) to the file.
        one_picture_only: whether a file holds a single picture.
        needs_place: whether each picture must have a place on a map.
        keeps_pixels: whether pixels are told, of pictures with a place and without alike.
        in_degrees: whether places are longitude and latitude alone.
        check: raises a ValueError where the format cannot be written so, or on this machine.
    """

    suffixes: tuple[str, ...]
    write: WriteResults
    one_picture_only: bool = False
    needs_place: bool = False
    keeps_pixels: bool = True
    in_degrees: bool = False
    check: Callable[[Path, MapOptions], None] | None = None


def _layer(save: Callable[[Path, Layer], None], *, in_degrees: bool = False) -> WriteResults:
    def written(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
        crs = map_crs(results, WGS84.to_string() if in_degrees else maps.crs, path)
        save(path, detection_layer(results, crs, maps))

    return written


def _check_parquet(path: Path, maps: MapOptions) -> None:
    check_pyarrow(path)


def _check_kml(path: Path, maps: MapOptions) -> None:
    if maps.crs is not None:
        raise ValueError(f"{path}: KML has longitude and latitude only; leave out --crs")


def _map_writer(suffix: str, write: WriteResults, **facts: Any) -> Writer:
    return Writer((suffix,), write, needs_place=True, keeps_pixels=False, **facts)


WRITERS: tuple[Writer, ...] = (
    Writer((".geojson",), write_geojson, keeps_pixels=False),
    _map_writer(".gpkg", write_geopackage),
    _map_writer(".fgb", _layer(save_flatgeobuf)),
    _map_writer(".parquet", _layer(save_geoparquet), check=_check_parquet),
    _map_writer(".shp", _layer(save_shapefile)),
    _map_writer(".kml", _layer(save_kml, in_degrees=True), in_degrees=True, check=_check_kml),
    Writer((".json",), write_coco),
    Writer((".csv",), write_csv),
    Writer((".txt",), write_dota, one_picture_only=True),
    Writer((".png", ".jpg", ".jpeg"), write_picture, one_picture_only=True),
)
"""A new format is a file with its function and a line here."""

WRITER_OF_SUFFIX = {suffix: writer for writer in WRITERS for suffix in writer.suffixes}
COMBINED = "detections.json"
DEFAULT_MAPS = MapOptions()


def is_directory(out: str | os.PathLike[str]) -> bool:
    """True for what exists as a directory, ends with a slash or has no extension."""
    text = os.fspath(out)
    return Path(text).is_dir() or text.endswith(("/", os.sep)) or not Path(text).suffix


def check_output(
    out: str | os.PathLike[str], num_sources: int, maps: MapOptions = DEFAULT_MAPS
) -> None:
    """Find what would fail at the end before the work begins.

    Raises:
        ValueError: an unknown extension or crs, a format that this machine cannot write, or one
            picture for several sources.
    """
    if maps.crs is not None and maps.crs != SOURCE:
        named_crs(maps.crs)
    check_counts(Path(out), maps)
    if is_directory(out):
        return
    writer = WRITER_OF_SUFFIX.get(Path(out).suffix.lower())
    if writer is None:
        known = ", ".join(WRITER_OF_SUFFIX)
        raise ValueError(f"{out}: unknown extension; known are {known}, or name a directory")
    if writer.one_picture_only and num_sources > 1:
        raise ValueError(f"{out}: holds one picture and not {num_sources}; name a directory")
    if writer.check is not None:
        writer.check(Path(out), maps)


def write(
    path: str | os.PathLike[str], results: Sequence[Result], maps: MapOptions = DEFAULT_MAPS
) -> list[Path]:
    """Write results to one file by its extension, or to a directory.

    A directory gets for each picture a .jpg with the boxes and a .geojson, and one COCO file
    `detections.json` for all. Every file appears whole or not at all.

    Args:
        path: a file with one of the suffixes in `WRITERS`, or a directory.
        results: one or more pictures.
        maps: coordinates and shapes of map formats, and what is counted.

    Returns:
        the files written.

    Raises:
        ValueError: there are no results, or they do not fit the format.
    """
    if not results:
        raise ValueError(f"{path}: there are no results to write")
    check_output(path, len(results), maps)
    if not is_directory(path):
        return [_write_file(Path(path), results, maps), *write_counts(Path(path), results, maps)]
    names = unique_stems([result.name for result in results])
    written = [
        file
        for name, result in zip(names, results, strict=True)
        for file in write_one(Path(path), name, result, maps)
    ]
    return [*written, *write(Path(path) / COMBINED, results, maps)]


def write_one(folder: Path, stem: str, result: Result, maps: MapOptions) -> list[Path]:
    """The files of one picture in a directory."""
    placed = maps if result.georeferenced else maps.model_copy(update={"crs": None})
    return [
        _write_file(folder / f"{stem}.geojson", [result], placed),
        _write_file(folder / f"{stem}.jpg", [result], maps),
    ]


def _write_file(path: Path, results: Sequence[Result], maps: MapOptions) -> Path:
    with whole_or_not(path) as draft:
        WRITER_OF_SUFFIX[path.suffix.lower()].write(draft, results, maps)
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
