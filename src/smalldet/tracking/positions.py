"""Where the pixels of a frame lie: in the first frame, and on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from smalldet.config.imagery import ImageryOptions
from smalldet.imagery import open_scene
from smalldet.imagery.ground import reprojected
from smalldet.imagery.places import to_map
from smalldet.tracking.camera import CameraMotion, Transform, move_points
from smalldet.tracking.frames import Frame

Points = NDArray[np.float64]


class Positions:
    """Follows the camera, by the frames' own places where all have one, else by what is seen.

    Args:
        still: the camera does not move.
        place: a picture whose place is that of the first frame.
        imagery: how it is read.

    Attributes:
        crs: of the map, or None as long as no frame has a place.

    Raises:
        FileNotFoundError, ValueError: the place cannot be read, or is none.
    """

    def __init__(self, *, still: bool, place: Path | None, imagery: ImageryOptions) -> None:
        self._camera = None if still else CameraMotion()
        self._to_first: Transform = np.eye(3)
        self._first: Any = None  # transform of the first frame to the map
        self._began = False
        self.crs: CRS | None = None
        if place is not None:
            with open_scene(str(place), options=imagery) as scene:
                if not scene.georeferenced:
                    raise ValueError(
                        f"{place}: has no place on a map; name a picture that has one, such as a "
                        "GeoTIFF, or one with a world file and --assume-crs"
                    )
                self.crs, self._first = scene.crs, scene.transform

    def remarks(self) -> list[str]:
        """What a person should know of how the camera was followed."""
        num = 0 if self._camera is None else self._camera.num_unknown
        if not num:
            return []
        return [f"in {num:,} frames the camera's motion could not be seen: it is taken for still"]

    def follow(self, frame: Frame, rgb: NDArray[np.uint8], boxes: Points) -> Transform:
        """(3, 3) from the pixels of the next frame to those of the first one."""
        scene = frame.scene
        if not self._began:
            self._began = True
            if self.crs is None and scene.georeferenced:
                self.crs, self._first = scene.crs, scene.transform
        if self._placed_alike(frame):
            self._to_first = _matrix(~self._first @ scene.transform)
        elif self._camera is not None:
            self._to_first = self._to_first @ np.linalg.inv(self._camera.moved(rgb, boxes))
        return self._to_first

    def on_map(self, frame: Frame, points: Points) -> Points | None:
        """(N, 2) pixels of the frame that was followed last, in `crs`; None without a place."""
        scene = frame.scene
        if self.crs is None:
            return None
        if scene.georeferenced:
            placed = to_map(scene.transform, points)  # pyright: ignore[reportArgumentType]
            return placed if scene.crs == self.crs else reprojected(placed, scene.crs, self.crs)  # pyright: ignore[reportArgumentType]
        return to_map(self._first, move_points(points, self._to_first))

    def _placed_alike(self, frame: Frame) -> bool:
        scene = frame.scene
        return (
            scene.crs is not None
            and scene.crs == self.crs
            and isinstance(scene.transform, Affine)
            and isinstance(self._first, Affine)
        )


def _matrix(transform: Affine) -> Transform:
    return np.array(transform[:9], dtype=np.float64).reshape(3, 3)
