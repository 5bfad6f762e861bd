"""GeoJSON: shapes with what is told of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.layers import Layer, detection_layer
from smalldet.inference.writers.placing import SOURCE, WGS84, named_crs, shared_crs

# A tenth of a millimetre, so that the finest pictures come back to the pixel.
DEGREE_DIGITS, METRE_DIGITS, PIXEL_DIGITS = 9, 4, 2
SCORE_DIGITS = 4


def write_geojson(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """One feature for each detection: its box, its oriented box where it has one, or its centre.

    Without `crs`, longitude and latitude as RFC 7946 asks, or pixels where the pictures have no
    georeference; then the collection has a member `"coordinates": "pixels"`. Another coordinate
    system is named in the `crs` member of the older GeoJSON 2008, which GIS programs read. What
    lies on the date line is cut there in two parts of one feature, as RFC 7946 asks (3.1.9).

    Args:
        path: the file.
        results: pictures, with or without a georeference alike.
        maps: `crs` is None, "source" for the pictures' own, or a name such as EPSG:32633.

    Raises:
        ValueError: some pictures have a georeference and some do not, or `crs` does not fit them.
    """
    in_pixels = maps.crs is None and not any(result.georeferenced for result in results)
    target = None if in_pixels else _target(results, maps.crs)
    layer = detection_layer(results, target, maps)
    layer.columns["score"] = layer.columns["score"].round(SCORE_DIGITS)
    save_geojson(path, layer)


def save_geojson(path: Path, layer: Layer) -> None:
    """The layer in its own coordinates, as `write_geojson` says.

    Raises:
        OSError: the file cannot be written.
    """
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    digits = PIXEL_DIGITS
    if layer.crs is None:
        collection["coordinates"] = "pixels"
    else:
        digits = DEGREE_DIGITS if layer.crs.is_geographic else METRE_DIGITS
        if layer.crs != WGS84:
            collection["crs"] = {"type": "name", "properties": {"name": _crs_name(layer.crs)}}
    rounded = shapely.transform(layer.shapes, lambda points: points.round(digits))
    rows = zip(*(_plain(values) for values in layer.columns.values()), strict=True)
    told = [json.dumps(dict(zip(layer.columns, row, strict=True))) for row in rows]
    features = [
        f'{{"type": "Feature", "properties": {properties}, "geometry": {shape}}}'
        for properties, shape in zip(told, shapely.to_geojson(rounded).tolist(), strict=True)
    ]
    head = json.dumps({**collection, "features": []}).removesuffix("]}")
    path.write_text(head + ", ".join(features) + "]}", encoding="utf-8")


def _target(results: Sequence[Result], crs: str | None) -> CRS:
    """The coordinate system to write, once all pictures are known to have a place."""
    for result in results:
        if not result.georeferenced:
            raise ValueError(
                f"{result.name}: has no georeference, so it cannot share a map with the others "
                "or be placed in a crs; name a directory to write to"
            )
    if crs is None:
        return WGS84
    return shared_crs(results) if crs == SOURCE else named_crs(crs)


def _crs_name(crs: CRS) -> str:
    authority = crs.to_authority()
    return "urn:ogc:def:crs:{}::{}".format(*authority) if authority else crs.to_wkt()


def _plain(values: NDArray[Any]) -> list[Any]:
    """Values of Python; None for numbers that are not known."""
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return values.tolist()
    return [value if np.isfinite(value) else None for value in values.tolist()]
