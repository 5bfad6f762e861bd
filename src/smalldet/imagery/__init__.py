"""Scenes: windows of pixels from GeoTIFF, COG, JPEG, PNG, arrays; bands, stretch, georeference."""

from smalldet.imagery.pixels import Window
from smalldet.imagery.scene import Scene, Source, open_scene
from smalldet.imagery.sources import expand_sources
from smalldet.imagery.stretch import Stretch

__all__ = ["Scene", "Source", "Stretch", "Window", "expand_sources", "open_scene"]
