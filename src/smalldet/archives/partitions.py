"""Partitions: GeoParquet files that hold the objects of some scenes, and say of which."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.archives.messages import SceneRecord
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.geoparquet import geoparquet
from smalldet.inference.writers.layers import Layer, detection_columns, detection_layer
from smalldet.inference.writers.measures import MEASURES
from smalldet.inference.writers.placing import WGS84, named_crs

SCENES_KEY = "smalldet:scenes"
PIXELS = ("x1", "y1", "x2", "y2")
ORIENTED = ("cx", "cy", "w", "h", "angle_rad")


def archive_crs(maps: MapOptions) -> CRS:
    """The one coordinate system of all partitions: WGS 84 unless told.

    Raises:
        ValueError: there is no such system.
    """
    return WGS84 if maps.crs is None else named_crs(maps.crs)


def scene_layer(result: Result, maps: MapOptions, *, oriented: bool) -> Layer:
    """The objects of one scene, numbered from 1, strongest first.

    The columns are those of predict's GeoParquet, then the box in pixels: `x1`, `y1`, `x2`, `y2`,
    and of oriented boxes `cx`, `cy`, `w`, `h` and `angle_rad`, clockwise on the screen. A scene
    without a place on a map has neither shapes nor `MEASURES`.

    Args:
        result: the scene.
        maps: coordinate system, and whether shapes are boxes or points.
        oriented: the model finds oriented boxes: so all its partitions have the same columns.

    Raises:
        ValueError: the scene lies where the partitions' coordinate system has no coordinates.
    """
    crs, num = archive_crs(maps), len(result.detections)
    if result.georeferenced:
        layer = detection_layer([result], crs, maps)
        shapes, columns = layer.shapes, layer.columns
    else:
        shapes = np.full(num, None, dtype=object)
        nowhere = {name: np.full(num, np.nan) for name in MEASURES}
        columns = detection_columns([result], placed=False) | nowhere
    return Layer("detections", crs, shapes, columns | _in_pixels(result, oriented))


def _in_pixels(result: Result, oriented: bool) -> dict[str, NDArray[Any]]:
    boxes, rboxes = result.detections.boxes, result.detections.rboxes
    columns: dict[str, NDArray[Any]] = dict(zip(PIXELS, boxes.float().numpy().T, strict=True))
    if oriented:
        rboxes = boxes.new_zeros(0, 5) if rboxes is None else rboxes
        columns |= dict(zip(ORIENTED, rboxes.float().numpy().T, strict=True))
    return columns


def partition(layers: Sequence[Layer], scenes: Sequence[SceneRecord]) -> bytes:
    """The content of a file with the rows of several scenes.

    Which scenes these are, those without objects too, is said in the file itself: it is its own
    entry in the list of what is done, so that the two cannot disagree.
    """
    together = Layer(
        "detections",
        layers[0].crs,
        np.concatenate([layer.shapes for layer in layers]),
        {
            name: np.concatenate([layer.columns[name] for layer in layers])
            for name in layers[0].columns
        },
    )
    return geoparquet(together, {SCENES_KEY: json.dumps([asdict(scene) for scene in scenes])})


def scenes_in(path: Path) -> list[SceneRecord]:
    """The scenes of a partition, by its last bytes alone.

    Raises:
        ValueError: the file is damaged, or no partition.
    """
    from pyarrow import ArrowException, parquet

    try:
        notes = parquet.read_metadata(path).metadata or {}
        return [SceneRecord(**scene) for scene in json.loads(notes[SCENES_KEY.encode()])]
    except (ArrowException, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: is damaged or no partition; remove it, and its scenes are predicted again"
        ) from error
