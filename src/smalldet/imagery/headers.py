"""Headers: what files say of themselves, before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass

from smalldet.config.imagery import ImageryOptions
from smalldet.imagery.places import Place, place_of
from smalldet.imagery.rasters import damage_named, open_dataset
from smalldet.imagery.virtual_rasters import Layout


@dataclass(frozen=True, eq=False)
class Header:
    """What a file is.

    Args:
        path: the file.
        width: pixels.
        height: likewise.
        driver: GDAL's name of its format.
        layout: its bands.
        place: where it lies.
    """

    path: str
    width: int
    height: int
    driver: str
    layout: Layout
    place: Place


def read_header(path: str, options: ImageryOptions) -> Header:
    """The header of anything that GDAL can open.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is no picture, or its georeference
            is damaged.
    """
    with open_dataset(path, driver=options.driver) as dataset, damage_named(path):
        return Header(
            path,
            dataset.width,
            dataset.height,
            dataset.driver,
            Layout.of(dataset),
            place_of(path, dataset, options),
        )
