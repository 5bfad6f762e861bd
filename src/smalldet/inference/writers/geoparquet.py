"""GeoParquet 1.1: columns of a layer and its shapes, https://geoparquet.org/releases/v1.1.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import shapely

from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.placing import WGS84


def check_pyarrow(path: Path) -> None:
    """Raises a ValueError that says what to install where pyarrow is missing."""
    if find_spec("pyarrow") is None:
        raise ValueError(f"{path}: GeoParquet needs pyarrow: pip install 'smalldet[parquet]'")


def save_geoparquet(path: Path, layer: Layer) -> None:
    """One layer, its shapes as well-known binary in the column `geometry`.

    Raises:
        OSError: the file cannot be written.
        ValueError: pyarrow is not installed.
    """
    check_pyarrow(path)
    path.write_bytes(geoparquet(layer))


def geoparquet(layer: Layer, notes: Mapping[str, str] | None = None) -> bytes:
    """The content of a GeoParquet file.

    Args:
        layer: shapes and columns.
        notes: {key: text} of the file's metadata, besides what GeoParquet asks for.
    """
    import pyarrow
    from pyarrow import parquet

    columns = {
        # texts are texts where there are none, too
        name: pyarrow.array(values, type=pyarrow.string() if values.dtype == object else None)
        for name, values in layer.columns.items()
    }
    columns["geometry"] = pyarrow.array(layer.well_known_binary(), type=pyarrow.binary())
    facts = {"geo": json.dumps(_facts(layer)), **(notes or {})}
    table = pyarrow.table(columns).replace_schema_metadata(facts)
    content = pyarrow.BufferOutputStream()
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue().to_pybytes()


def _facts(layer: Layer) -> dict[str, Any]:
    shape: dict[str, Any] = {"encoding": "WKB", "geometry_types": [layer.geometry_type]}
    if layer.geometry_type != "Point":
        shape["orientation"] = "counterclockwise"
    if not shapely.is_missing(layer.shapes).all():
        shape["bbox"] = shapely.total_bounds(layer.shapes).tolist()
    if layer.crs != WGS84:  # which is what a reader takes it for
        shape["crs"] = None if layer.crs is None else layer.crs.to_dict(projjson=True)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": shape}}
