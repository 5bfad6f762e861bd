"""Virtual rasters: several files read by GDAL as one, in memory (its VRT format).

Specification: https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader

GDAL_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float16": "Float32",
    "float32": "Float32",
    "float64": "Float64",
}

PaletteColour = tuple[int, int, int, int]


@dataclass(frozen=True)
class Band:
    """What a file says of one band."""

    dtype: str
    colour: ColorInterp
    description: str
    nodata: float | None
    palette: tuple[PaletteColour, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What a file's pixels are; files of one layout can be parts of one scene."""

    bands: tuple[Band, ...]
    has_mask: bool

    @staticmethod
    def of(dataset: DatasetReader) -> Layout:
        flags = {flag for band in dataset.mask_flag_enums for flag in band}
        bands = [
            Band(dtype, colour, name or "", _one_nan(nodata), _palette(dataset, number, colour))
            for number, (dtype, colour, name, nodata) in enumerate(
                zip(
                    dataset.dtypes,
                    dataset.colorinterp,
                    dataset.descriptions,
                    dataset.nodatavals,
                    strict=True,
                ),
                start=1,
            )
        ]
        has_mask = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
        return Layout(tuple(bands), has_mask)


@dataclass(frozen=True)
class Part:
    """A file, and where its pixels lie in a virtual raster."""

    path: str
    x: int
    y: int
    width: int
    height: int


def virtual_raster(
    width: int,
    height: int,
    layout: Layout,
    parts: Sequence[Part],
    nodata: float | None = None,
    *,
    joins_first: bool = False,
) -> str:
    """XML that GDAL opens in place of a file.

    Args:
        width: pixels.
        height: likewise.
        layout: of every part.
        parts: the later one is on top, but for its pixels without data.
        nodata: value of pixels without data instead of that of `layout`.
        joins_first: parts are joined before they are scaled, each pixel at its full resolution.
            Without it GDAL scales each for itself: that is fast where overviews help, and not
            exact along borders where pixels are spread.
    """
    root = Xml.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    for number, band in enumerate(layout.bands, start=1):
        empty = band.nodata if nodata is None else nodata
        kind = GDAL_TYPES[band.dtype]
        node = Xml.SubElement(root, "VRTRasterBand", dataType=kind, band=str(number))
        if band.description:
            Xml.SubElement(node, "Description").text = band.description
        if empty is not None:
            Xml.SubElement(node, "NoDataValue").text = repr(empty)
        if band.colour is not ColorInterp.undefined:
            Xml.SubElement(node, "ColorInterp").text = band.colour.name
        if band.palette:
            table = Xml.SubElement(node, "ColorTable")
            for colour in band.palette:
                Xml.SubElement(table, "Entry", {f"c{i}": str(c) for i, c in enumerate(colour, 1)})
        node.extend(_sources(parts, str(number), kind, empty, joins_first))
    if layout.has_mask:
        node = Xml.SubElement(Xml.SubElement(root, "MaskBand"), "VRTRasterBand", dataType="Byte")
        node.extend(_sources(parts, "mask,1", "Byte", None, joins_first))
    return Xml.tostring(root, encoding="unicode")


def _sources(
    parts: Sequence[Part], band: str, kind: str, nodata: float | None, joins_first: bool
) -> Iterator[Xml.Element]:
    # with a value for no data, parts that overlap need a source that leaves such pixels out
    leaves_out = nodata is not None and len(parts) > 1
    name = "ComplexSource" if leaves_out or joins_first else "SimpleSource"
    for part in parts:
        source = Xml.Element(name)
        path = str(Path(part.path).absolute()) if Path(part.path).exists() else part.path
        Xml.SubElement(source, "SourceFilename", relativeToVRT="0").text = path
        Xml.SubElement(source, "SourceBand").text = band
        size = {"RasterXSize": str(part.width), "RasterYSize": str(part.height)}
        Xml.SubElement(source, "SourceProperties", {**size, "DataType": kind})
        sides = {"xSize": str(part.width), "ySize": str(part.height)}
        Xml.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **sides})
        Xml.SubElement(source, "DstRect", {"xOff": str(part.x), "yOff": str(part.y), **sides})
        if leaves_out:
            Xml.SubElement(source, "NODATA").text = repr(nodata)
        yield source


def _one_nan(value: float | None) -> float | None:
    """NaN is equal to itself only where it is the same object."""
    return math.nan if value is not None and math.isnan(value) else value


def _palette(dataset: DatasetReader, band: int, colour: ColorInterp) -> tuple[PaletteColour, ...]:
    if colour is not ColorInterp.palette:
        return ()
    table = dataset.colormap(band)
    return tuple(table.get(i, (0, 0, 0, 0)) for i in range(max(table) + 1))
