"""GeoJSON: polygons with class, score and source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS

from smalldet.inference.results import Result
from smalldet.inference.writers.placing import (
    SOURCE,
    WGS84,
    Points,
    box_rings,
    halves_at_date_line,
    named_crs,
    shared_crs,
)

# A tenth of a millimetre, so that the finest pictures come back to the pixel.
DEGREE_DIGITS, METRE_DIGITS, PIXEL_DIGITS = 9, 4, 2


def write_geojson(path: Path, results: Sequence[Result], crs: str | None = None) -> None:
    """One feature for each detection: the polygon of its box, of its oriented box where it has one.

    Without `crs`, longitude and latitude as RFC 7946 asks, or pixels where the pictures have no
    georeference; then the collection has a member `"coordinates": "pixels"`. Another coordinate
    system is named in the `crs` member of the older GeoJSON 2008, which GIS programs read. What
    lies on the date line is cut there in two parts of one feature, as RFC 7946 asks (3.1.9).

    Args:
        path: the file.
        results: pictures, with or without a georeference alike.
        crs: None, "source" for the pictures' own, or a name such as EPSG:32633.

    Raises:
        ValueError: some pictures have a georeference and some do not, or `crs` does not fit them.
    """
    placed = [result.georeferenced for result in results]
    collection: dict[str, Any] = {"type": "FeatureCollection"}
    if crs is None and not any(placed):
        target = None
        collection["coordinates"] = "pixels"
    else:
        target = _target(results, crs)
        if target != WGS84:
            name = {"name": _crs_name(target)}
            collection["crs"] = {"type": "name", "properties": name}
    collection["features"] = [f for result in results for f in _features(result, target)]
    path.write_text(json.dumps(collection), encoding="utf-8")


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


def _features(result: Result, crs: CRS | None) -> list[dict[str, Any]]:
    digits = PIXEL_DIGITS
    if crs is not None:
        digits = DEGREE_DIGITS if crs.is_geographic else METRE_DIGITS
    detections = result.detections
    rings = box_rings(result, crs).round(digits)
    on_date_line = (rings[:, :, 0] > 180).any(axis=1) & (crs is not None and crs.is_geographic)
    geometries = [{"type": "Polygon", "coordinates": [ring]} for ring in rings.tolist()]
    for row in np.flatnonzero(on_date_line):
        geometries[row] = _cut_geometry(rings[row], digits)
    scores = detections.scores.double().numpy().round(4).tolist()
    return [
        {
            "type": "Feature",
            "properties": {"class": name, "score": score, "source": result.name},
            "geometry": geometry,
        }
        for geometry, score, name in zip(geometries, scores, detections.named(), strict=True)
    ]


def _cut_geometry(ring: Points, digits: int) -> dict[str, Any]:
    halves = halves_at_date_line(ring)
    return {"type": "MultiPolygon", "coordinates": [[h.round(digits).tolist()] for h in halves]}
