"""GeoParquet 1.1: columns of a layer and its shapes, https://geoparquet.org/releases/v1.1.0."""

from __future__ import annotations

import json
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
    import pyarrow
    from pyarrow import parquet

    columns = {name: pyarrow.array(values) for name, values in layer.columns.items()}
    columns["geometry"] = pyarrow.array(layer.well_known_binary(), type=pyarrow.binary())
    table = pyarrow.table(columns).replace_schema_metadata({"geo": json.dumps(_facts(layer))})
    content = pyarrow.BufferOutputStream()
    parquet.write_table(table, content, compression="zstd")
    path.write_bytes(content.getvalue())


def _facts(layer: Layer) -> dict[str, Any]:
    shape: dict[str, Any] = {"encoding": "WKB", "geometry_types": [layer.geometry_type]}
    if layer.geometry_type != "Point":
        shape["orientation"] = "counterclockwise"
    if len(layer.shapes):
        shape["bbox"] = shapely.total_bounds(layer.shapes).tolist()
    if layer.crs != WGS84:  # which is what a reader takes it for
        shape["crs"] = None if layer.crs is None else layer.crs.to_dict(projjson=True)
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": shape}}
