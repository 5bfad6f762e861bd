"""Destinations: whether files can be written, and hold the sources' places, before the work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from smalldet.config.imagery import ImageryOptions
from smalldet.imagery import Mosaic
from smalldet.imagery.ground import Ground, reprojected
from smalldet.imagery.headers import read_header
from smalldet.imagery.places import Place
from smalldet.imagery.sources import FileSource
from smalldet.inference.options import MapOptions
from smalldet.inference.writers.output import chosen_writer, is_directory
from smalldet.inference.writers.placing import SOURCE, WGS84, named_crs
from smalldet.inference.writers.table import Writer

POINTS_PER_SIDE = 8


@dataclass
class Fit:
    """How sources fit into an output.

    Args:
        refused: {source: why the output cannot hold it}.
        remark: what a person should know of the output, or an empty text.
    """

    refused: dict[str, str] = field(default_factory=dict)
    remark: str = ""


def check_writable(out: str | os.PathLike[str]) -> None:
    """Find out, by a draft, whether files can be written where they are wanted.

    Raises:
        OSError: they cannot; says where and why.
    """
    path = Path(out)
    folder = path if is_directory(out) else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{out}: cannot be written: {folder} is no folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"{out}: cannot be written: {folder}: {reason}") from error


def fit_places(
    sources: Sequence[FileSource],
    out: str | os.PathLike[str],
    maps: MapOptions,
    imagery: ImageryOptions,
) -> Fit:
    """Which sources an output cannot hold, by their headers.

    Sources that cannot be read are left alone: what is wrong with them shows later.

    Args:
        sources: files and mosaics.
        out: a file or a folder, known to be one of the formats.
        maps: the format, and the coordinates of map formats.
        imagery: how files become scenes.

    Raises:
        ValueError: no source can be held, or they lie in several coordinate systems where one
            file shall have the sources' own.
    """
    grounds = _grounds(sources, imagery)
    writer, crs = chosen_writer(out, maps), maps.crs
    placed = {name: found for name, found in grounds.items() if isinstance(found, Ground)}
    unplaced = {name: found for name, found in grounds.items() if isinstance(found, Place)}
    fit = Fit()
    is_map = writer is not None and not writer.keeps_pixels
    if writer is not None and is_map and (writer.needs_place or placed or crs is not None):
        for name, place in unplaced.items():
            lacks = place.remark or "has no place on a map"
            fit.refused[name] = (
                f"{name}: {lacks}, and {out} holds places; write it to .csv or a folder"
            )
    elif unplaced and (writer is None or is_map):
        fit.remark = (
            f"{next(iter(unplaced))} has no place on a map; its coordinates are pixels, which GIS "
            "programs read as degrees; .csv is a table of pixels"
        )
    if is_map and crs == SOURCE:
        _check_one_crs(list(placed.values()))
    target = _target(list(placed.values()), writer, crs)
    if target is not None:
        fit.refused |= _outside(placed, target)
    if grounds and len(fit.refused) == len(sources):
        raise ValueError(next(iter(fit.refused.values())))
    return fit


def _outside(placed: Mapping[str, Ground], target: CRS) -> dict[str, str]:
    """{source that lies where `target` has no coordinates: so in words}."""
    outlines = {
        name: reprojected(ground.outline(POINTS_PER_SIDE), ground.crs, target)
        for name, ground in placed.items()
    }
    where = target.to_string()
    return {
        name: f"{name}: lies where {where} has no coordinates"
        for name, outline in outlines.items()
        if not np.isfinite(outline).all()
    }


def _grounds(sources: Sequence[FileSource], imagery: ImageryOptions) -> dict[str, Ground | Place]:
    """{source: its ground, or what its file says where that is no place}."""
    found: dict[str, Ground | Place] = {}
    for source in sources:
        name = str(source)
        if isinstance(source, Mosaic):
            place, size = Place(source.crs, source.transform), (source.width, source.height)
        else:
            try:
                header = read_header(source, imagery)
            except (OSError, ValueError):
                continue
            place, size = header.place, (header.width, header.height)
        if place.crs and place.transform is not None:
            found[name] = Ground(Path(name), *size, place.crs, place.transform)
        else:
            found[name] = place
    return found


def _check_one_crs(grounds: Sequence[Ground]) -> None:
    for ground in grounds[1:]:
        if ground.crs != grounds[0].crs:
            raise ValueError(
                f"{grounds[0].path} and {ground.path} lie in different coordinate systems; name "
                "one with crs, or a directory to write to"
            )


def _target(grounds: Sequence[Ground], writer: Writer | None, crs: str | None) -> CRS | None:
    """The coordinate system that all places are brought to; None where each keeps its own."""
    if crs is not None:
        return None if crs == SOURCE else named_crs(crs)
    if writer is not None and writer.in_degrees:
        return WGS84
    if writer is not None and writer.keeps_pixels:
        return None
    one_crs = all(ground.crs == grounds[0].crs for ground in grounds)
    return None if writer is not None and writer.needs_place and one_crs else WGS84
