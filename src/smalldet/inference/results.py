"""Result: the detections of one picture, and where it lies."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from rasterio.crs import CRS

from smalldet.config.imagery import USUAL, ImageryOptions
from smalldet.detections import Detections
from smalldet.imagery import Scene, Source
from smalldet.imagery.places import MapTransform
from smalldet.imagery.remote import is_remote


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


def names_from_shared_folder(results: Sequence[Result], above: int = 0) -> list[str]:
    """What files call the pictures: their paths from the folder that they share, with `/`.

    Names that only GDAL can open, and all others beside them, stay as they are.

    Args:
        results: pictures.
        above: folders to tell besides, of those above the shared one.
    """
    names = [result.name for result in results]
    if any(is_remote(name) for name in names):
        return names
    shared = Path(os.path.commonpath([Path(name).absolute().parent for name in names]))
    start = [shared, *shared.parents][: above + 1][-1]
    return [Path(name).absolute().relative_to(start).as_posix() for name in names]


def unique_stems(names: Sequence[str]) -> list[str]:
    """A file name without extension for each source; a second of one name gets a number."""
    taken: set[str] = set()
    stems = []
    for name in names:
        path = PurePosixPath(urlsplit(name).path) if is_remote(name) else Path(name)
        plain = re.sub(r"[^\w.\- ]", "_", path.stem) or "picture"
        stem, number = plain, 2
        while stem.casefold() in taken:  # some file systems do not tell A from a
            stem, number = f"{plain}_{number}", number + 1
        taken.add(stem.casefold())
        stems.append(stem)
    return stems
