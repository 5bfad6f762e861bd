"""Scenes: windows of pixels from GeoTIFF, COG, JPEG, PNG, arrays; bands, stretch, georeference."""

from smalldet.config.imagery import ImageryOptions
from smalldet.imagery.mosaics import Mosaic
from smalldet.imagery.pixels import Window
from smalldet.imagery.scene import Scene, Source, open_scene
from smalldet.imagery.stretch import Stretch

__all__ = [
    "ImageryOptions",
    "Mosaic",
    "Scene",
    "Source",
    "Stretch",
    "Window",
    "open_scene",
]
