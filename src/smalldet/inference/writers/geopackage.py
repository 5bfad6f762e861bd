"""GeoPackage: one layer of polygons with class, score and source."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyogrio import raw

from smalldet.inference.results import Result
from smalldet.inference.writers.placing import SOURCE, WGS84, box_rings, named_crs, shared_crs

# Well-known binary of a polygon of one ring of five points, little endian.
POLYGON = np.dtype(
    [
        ("little_endian", "u1"),
        ("kind", "<u4"),
        ("num_rings", "<u4"),
        ("num_points", "<u4"),
        ("points", "<f8", (5, 2)),
    ]
)


def write_geopackage(path: Path, results: Sequence[Result], crs: str | None = None) -> None:
    """A layer `detections`.

    Args:
        path: the file.
        results: georeferenced pictures.
        crs: a name such as EPSG:32633, or "source" for the pictures' own. Without it their own
            where it is one, else longitude and latitude.

    Raises:
        OSError: the file cannot be written, as on a full disk.
        ValueError: a picture has no georeference, or `crs` does not fit.
    """
    for result in results:
        if not result.georeferenced:
            raise ValueError(
                f"{result.name}: has no georeference, which a GeoPackage needs; "
                "write .geojson, .json or .csv"
            )
    if crs is not None and crs != SOURCE:
        target = named_crs(crs)
    elif crs is None and any(result.crs != results[0].crs for result in results):
        target = WGS84
    else:
        target = shared_crs(results)
    rings = np.concatenate([box_rings(result, target) for result in results])
    names = [name for result in results for name in result.detections.named()]
    scores = np.concatenate([result.detections.scores.double().numpy() for result in results])
    sources = np.repeat([r.name for r in results], [len(r.detections) for r in results])
    content = BytesIO()  # of a full disk GDAL tells in its own words, or only when it closes
    raw.write(
        content,
        geometry=_well_known_binary(rings),
        field_data=[np.array(names, dtype=object), scores, sources.astype(object)],
        fields=["class", "score", "source"],
        layer="detections",
        driver="GPKG",
        geometry_type="Polygon",
        crs=target.to_wkt(),
    )
    path.write_bytes(content.getbuffer())


def _well_known_binary(rings: NDArray[np.float64]) -> NDArray[np.object_]:
    """(N, 5, 2) closed rings to (N,) bytes."""
    polygons = np.zeros(len(rings), dtype=POLYGON)
    polygons["little_endian"], polygons["kind"] = 1, 3
    polygons["num_rings"], polygons["num_points"] = 1, 5
    polygons["points"] = rings
    whole = polygons.tobytes()
    size = POLYGON.itemsize
    parts = np.empty(len(rings), dtype=object)
    parts[:] = [whole[start : start + size] for start in range(0, len(whole), size)]
    return parts
