"""Polygons that a person gives, over pictures with a place on a map and over others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio import raw

from smalldet.data.formats.vector_layers import (
    UNREADABLE,
    Layer,
    looks_like_vector,
    read_layer,
)

Shapes = NDArray[Any]
"""(N,) shapely geometries."""


def read_polygons(path: Path) -> Layer:
    """Polygons on a map.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no vector file, is damaged or says no coordinate system, holds none, or
            something else than polygons; names the file.
    """
    layer = read_layer(path)
    _check(path, layer.shapes)
    return layer


def read_pixel_polygons(path: Path) -> Shapes:
    """(N,) polygons in pixels, x to the right and y down, whatever coordinates the file states.

    Raises:
        FileNotFoundError, ValueError: as `read_polygons`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if not looks_like_vector(path):
        raise ValueError(f"{path}: is no GeoJSON, GeoPackage, Shapefile (.shp) or FlatGeobuf")
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        layer = layers[0] if layers else None
        _, _, codes, _ = raw.read(path, layer=layer, columns=[], force_2d=True)
        shapes = shapely.from_wkb([] if codes is None else codes)
    except UNREADABLE as error:
        raise ValueError(f"{path}: cannot be read as vector data: {error}") from error
    if len(layers) > 1:
        raise ValueError(
            f"{path}: has layers {', '.join(layers)}; export the one that is meant as a file"
        )
    _check(path, shapes)
    return shapes


def _check(path: Path, shapes: Shapes) -> None:
    if not len(shapes):
        raise ValueError(f"{path}: has no polygon; draw one, or name another file")
    areal = shapely.get_dimensions(shapes) == 2
    finite = np.isfinite(shapely.bounds(shapes)).all(axis=1)
    if not (areal & finite).all():
        number = int(np.flatnonzero(~(areal & finite))[0]) + 1
        raise ValueError(f"{path}: shape {number} is no polygon; leave polygons only")
