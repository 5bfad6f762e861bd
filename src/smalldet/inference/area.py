"""Area of interest: the part of a scene that is looked at."""

from __future__ import annotations

import hashlib
import logging
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from smalldet.data.formats.vector_ground import AreaOverGround
from smalldet.detections import Detections
from smalldet.imagery import Scene
from smalldet.imagery.ground import Ground
from smalldet.inference.polygon_files import read_pixel_polygons, read_polygons

logger = logging.getLogger(__name__)


class OutsideAreaError(ValueError):
    """A picture shows nothing of the area."""


class Area:
    """Polygons of a file; a picture's part of them is what is looked at.

    Args:
        path: GeoJSON, GeoPackage, Shapefile or FlatGeobuf, in any coordinate system. Over pictures
            without a place on a map the polygons are in pixels.

    Raises:
        FileNotFoundError, ValueError: see `polygon_files.read_polygons`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._in_pixels = read_pixel_polygons(self.path)

    @cached_property
    def _on_map(self) -> AreaOverGround:
        return AreaOverGround(read_polygons(self.path))

    @cached_property
    def fingerprint(self) -> str:
        """Tells polygons from others."""
        digest = hashlib.sha256(b"".join(shapely.to_wkb(self._in_pixels).tolist()))
        return f"{self.path}, {digest.hexdigest()[:16]}"

    def within(self, scene: Scene) -> SceneInside:
        """A scene of which only what lies in the polygons is looked at.

        Raises:
            OutsideAreaError: nothing of it does.
        """
        if scene.crs is None or scene.transform is None:
            found = shapely.union_all(shapely.make_valid(self._in_pixels))
            remark = ", taken as pixels: the picture has no place on a map"
        else:
            size, place = (scene.width, scene.height), (scene.crs, scene.transform)
            found = self._on_map.within(Ground(Path(scene.name), *size, *place))
            remark = ""
        whole = shapely.box(0, 0, scene.width, scene.height)
        seen = shapely.intersection(found, whole)
        share = shapely.area(seen) / shapely.area(whole)
        if share == 0:
            raise OutsideAreaError(f"{scene.name}: lies outside of {self.path}{remark}")
        percent = f"{share:.0%}" if share >= 0.01 else "less than 1%"
        logger.info("%s: %s of it lies in %s%s", scene.name, percent, self.path, remark)
        return SceneInside(scene, seen)


class SceneInside(Scene):
    """A scene that stores nothing of what lies outside of a polygon.

    Args:
        scene: the whole one, which this one reads; either may close it.
        polygon: a valid polygon or multipolygon within the scene, in its pixels.
    """

    def __init__(self, scene: Scene, polygon: Any) -> None:
        self.__dict__.update(scene.__dict__)
        self.polygon = polygon
        shapely.prepare(polygon)
        # GEOS builds a prepared polygon's index at the first question: two threads at once crash
        self._asking = threading.Lock()

    def has_data(self, windows: ArrayLike) -> NDArray[np.bool_]:
        """As of the scene, and False for windows that do not meet the polygon."""
        left, top, right, bottom = np.asarray(windows, dtype=np.float64).reshape(-1, 4).T
        boxes = shapely.box(left, top, right, bottom)
        with self._asking:
            met = shapely.intersects(self.polygon, boxes)
        return np.asarray(met) & super().has_data(windows)

    def holds(self, detections: Detections) -> Tensor:
        """(N,) bool, the detections whose centre lies in the polygon or on its border."""
        if detections.rboxes is not None:
            centre = detections.rboxes[:, :2].double()
        else:
            boxes = detections.boxes.double()
            centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        x, y = centre.T.numpy()
        with self._asking:
            return torch.from_numpy(np.asarray(shapely.intersects_xy(self.polygon, x, y)))
