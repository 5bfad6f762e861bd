"""Files of GDAL's drivers: FlatGeobuf, KML and Shapefile.

A file is made in memory and then written at once: of a full disk GDAL tells in its own words, or
only when it closes.
"""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import shapely
from pyogrio import raw
from pyogrio.errors import DataSourceError

from smalldet.data.formats.vector_write import cut_at_date_line
from smalldet.imagery.ground import reprojected
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.placing import WGS84

# What dBASE III can hold of a column's name and of a text.
NAME_BYTES, TEXT_BYTES = 10, 254
SHAPEFILE_PARTS = (".dbf", ".shx", ".prj", ".cpg")
STALE_PARTS = (".qix", ".sbn", ".sbx")
"""Indices that other programs make of a Shapefile: wrong once it is replaced."""


def save_flatgeobuf(path: Path, layer: Layer) -> None:
    """A FlatGeobuf with its index, in whose order the shapes lie.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_bytes(encoded(layer, "FlatGeobuf"))


def save_kml(path: Path, layer: Layer) -> None:
    """A KML in longitude and latitude; placemarks are named by their class.

    Raises:
        OSError: the file cannot be written.
        ValueError: the layer has no place in longitude and latitude.
    """
    named = {"Name": layer.columns["class"]} if "class" in layer.columns else {}
    layer = in_degrees(layer, path)
    path.write_bytes(encoded(replace(layer, columns=named | layer.columns), "KML"))


def save_shapefile(path: Path, layer: Layer) -> None:
    """A Shapefile, whose `SHAPEFILE_PARTS` come to lie beside it.

    Names of columns are cut to ten bytes, and numbered where that makes two alike.

    Raises:
        OSError: a file cannot be written.
        ValueError: a text is longer than 254 bytes, which a Shapefile cannot hold.
    """
    for name, values in layer.columns.items():
        for text in np.unique(values).tolist() if values.dtype == object else ():
            if len(text.encode()) > TEXT_BYTES:
                raise ValueError(
                    f"{path}: a Shapefile holds texts of at most {TEXT_BYTES} bytes, and the "
                    f"{name} {text!r} is longer; write .gpkg"
                )
    columns = dict(zip(short_names(list(layer.columns)), layer.columns.values(), strict=True))
    short = replace(layer, columns=columns)
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch) / "layer.shz"  # a zip, whose checksums tell if it was cut short
        try:
            write_with_gdal(packed, short, "ESRI Shapefile")
            with zipfile.ZipFile(packed) as parts:
                contents = {Path(name).suffix: parts.read(name) for name in parts.namelist()}
        except (OSError, zipfile.BadZipFile) as error:
            raise OSError(f"{path}: cannot be written: {error}") from error
    for suffix in (*SHAPEFILE_PARTS, path.suffix):
        path.with_suffix(suffix).write_bytes(contents.get(suffix.lower(), b""))


def short_names(names: list[str]) -> list[str]:
    """Names of at most ten bytes; what is cut to one that is taken ends in a number."""
    short: list[str] = []
    for name in names:
        tail, number, taken = "", 1, {other.casefold() for other in short}
        while (cut := _cut(name, NAME_BYTES - len(tail)) + tail).casefold() in taken:
            number += 1
            tail = f"_{number}"
        short.append(cut)
    return short


def in_degrees(layer: Layer, path: Path) -> Layer:
    """A layer in longitude and latitude.

    Raises:
        ValueError: it has no place there; names the file.
    """
    if layer.crs == WGS84:
        return layer
    if layer.crs is None:
        raise ValueError(f"{path}: its shapes have no place on a map; write .geojson or .csv")
    points = reprojected(shapely.get_coordinates(layer.shapes), layer.crs, WGS84)
    if not np.isfinite(points).all():
        raise ValueError(f"{path}: its shapes have no longitude and latitude; write .gpkg")
    shapes = cut_at_date_line(shapely.set_coordinates(layer.shapes.copy(), points))
    return replace(layer, crs=WGS84, shapes=shapes)


def encoded(layer: Layer, driver: str) -> bytes:
    """A file of one layer."""
    content = BytesIO()
    write_with_gdal(content, layer, driver)
    return content.getvalue()


def write_with_gdal(target: Path | BytesIO, layer: Layer, driver: str) -> None:
    """Write a layer to a file, to which it is added where GDAL's driver can.

    Raises:
        OSError: GDAL cannot; in its words.
    """
    try:
        raw.write(
            target,
            geometry=layer.well_known_binary(),
            field_data=list(layer.columns.values()),
            fields=list(layer.columns),
            layer=layer.name,
            driver=driver,
            geometry_type=layer.geometry_type,
            crs=None if layer.crs is None else layer.crs.to_wkt(),
        )
    except (DataSourceError, RuntimeError) as error:
        raise OSError(str(error)) from error


def _cut(name: str, num_bytes: int) -> str:
    return name.encode()[:num_bytes].decode(errors="ignore")
