"""Area of interest: the part of a scene that is looked at."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
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

    def within(self, scene: Scene) -> SceneArea:
        """The part of a scene that lies in the polygons.

        Raises:
            OutsideAreaError: there is none.
        """
        whole = shapely.box(0, 0, scene.width, scene.height)
        if scene.crs is None or scene.transform is None:
            found = shapely.union_all(shapely.make_valid(self._in_pixels))
        else:
            size, place = (scene.width, scene.height), (scene.crs, scene.transform)
            found = self._on_map.within(Ground(Path(scene.name), *size, *place))
        seen = shapely.intersection(found, whole)
        share = shapely.area(seen) / shapely.area(whole)
        if share == 0:
            where = "" if scene.georeferenced else ", whose polygons are taken as pixels: it has no"
            where += "" if scene.georeferenced else " place on a map"
            raise OutsideAreaError(f"{scene.name}: lies outside of {self.path}{where}")
        words = "" if scene.georeferenced else ", taken as pixels: the picture has no place"
        logger.info("%s: %s of it lies in %s%s", scene.name, _percent(share), self.path, words)
        return SceneArea(seen)


class SceneArea:
    """An area in a scene's pixels.

    Args:
        polygon: a valid polygon or multipolygon within the scene.
    """

    def __init__(self, polygon: Any) -> None:
        self.polygon = polygon
        shapely.prepare(polygon)

    def meets(self, windows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(T,) of windows (T, 4) xyxy: whether they show some of the area."""
        return shapely.intersects(self.polygon, shapely.box(*windows.T.astype(np.float64)))

    def stored_in(self, scene: Scene) -> Callable[[NDArray[np.int64]], NDArray[np.bool_]]:
        """Tells of windows (T, 4) whether they meet the area and the scene stores some of them."""

        def worth(windows: NDArray[np.int64]) -> NDArray[np.bool_]:
            return self.meets(windows) & scene.has_data(windows)

        return worth

    def holds(self, detections: Detections) -> Tensor:
        """(N,) bool, the detections whose centre lies in the area or on its border."""
        if detections.rboxes is not None:
            centre = detections.rboxes[:, :2].double()
        else:
            boxes = detections.boxes.double()
            centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        x, y = centre.T.numpy()
        return torch.from_numpy(np.asarray(shapely.intersects_xy(self.polygon, x, y)))


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
