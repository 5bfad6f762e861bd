"""Result: the detections of one picture, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

from rasterio.crs import CRS

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.detections import Detections
from smalldet.imagery import Scene, Source
from smalldet.imagery.places import MapTransform


@dataclass(frozen=True, eq=False)
class Result:
    """The detections of one picture, and what it is.

    Args:
        name: what files call the picture: its path, or a name for an array.
        picture: what to open in order to draw on it.
        bands: the bands that were read.
        width: pixels.
        height: pixels.
        crs: coordinate system of the map, or None.
        transform: from pixels to the map, or None.
        detections: in pixels of the picture.
        classes: those that were looked for; all that the detector knows if empty.
        gsd_m: ground sample distance, metres a pixel, where known.
        imagery: how the picture was read.
    """

    name: str
    picture: Source
    bands: tuple[int, ...]
    width: int
    height: int
    crs: CRS | None
    transform: MapTransform | None
    detections: Detections
    classes: tuple[str, ...] = ()
    gsd_m: float | None = None
    imagery: ImageryOptions = USUAL

    @classmethod
    def of(
        cls,
        scene: Scene,
        picture: Source,
        detections: Detections,
        classes: tuple[str, ...] = (),
        gsd_m: float | None = None,
    ) -> Result:
        return cls(
            scene.name,
            picture,
            scene.bands,
            scene.width,
            scene.height,
            scene.crs,
            scene.transform,
            detections,
            classes,
            gsd_m,
            scene.options,
        )

    @property
    def georeferenced(self) -> bool:
        return self.crs is not None and self.transform is not None
