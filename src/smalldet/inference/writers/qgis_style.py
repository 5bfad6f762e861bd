"""How QGIS draws layers: detections in the colours of their classes, counts the darker the more."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from smalldet.imagery.drawing import Colour

LINE_MM, DOT_MM = "0.4", "2"
HEADER = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
# QGIS's numbers for what a layer holds.
POINTS, POLYGONS = "0", "2"
# Fills of zones from few objects to many; the picture shines through.
FEW, MANY, NUM_RANGES = (255, 245, 160, 110), (200, 0, 30, 150), 5
ORDER = {"symbollevels": "0", "enableorderby": "0"}
GREY = "90,90,90,255"


def style_of_values(column: str, colours: Mapping[str, Colour], geometry_type: str) -> str:
    """A style of QGIS (QML) that goes by the values of a column.

    Args:
        column: such as `class`.
        colours: {value: its colour} of all that may occur.
        geometry_type: `Point`, `Polygon` or `MultiPolygon`.
    """
    points = geometry_type == "Point"
    qgis = Xml.Element("qgis", version="3.28.0", styleCategories="Symbology")
    renderer = Xml.SubElement(
        qgis,
        "renderer-v2",
        {"type": "categorizedSymbol", "attr": column, **ORDER},
    )
    categories = Xml.SubElement(renderer, "categories")
    symbols = Xml.SubElement(renderer, "symbols")
    for number, (name, colour) in enumerate(colours.items()):
        category = {"value": name, "label": name, "symbol": str(number), "type": "string"}
        Xml.SubElement(categories, "category", {**category, "render": "true"})
        _add_value(symbols, str(number), ",".join(map(str, (*colour, 255))), points)
    Xml.SubElement(qgis, "layerGeometryType").text = POINTS if points else POLYGONS
    return HEADER + Xml.tostring(qgis, encoding="unicode")


def style_of_counts(column: str, numbers: NDArray[np.int64]) -> str:
    """A style of QGIS (QML) that goes by a column of numbers: the more objects, the darker.

    Args:
        column: such as `num_all`.
        numbers: (Z,) objects of each zone, of which about as many fall into each range.
    """
    qgis = Xml.Element("qgis", version="3.28.0", styleCategories="Symbology")
    method = {"attr": column, "graduatedMethod": "GraduatedColor"}
    renderer = Xml.SubElement(qgis, "renderer-v2", {"type": "graduatedSymbol", **method, **ORDER})
    ranges, symbols = Xml.SubElement(renderer, "ranges"), Xml.SubElement(renderer, "symbols")
    last = (np.arange(1, NUM_RANGES + 1) * len(numbers) + NUM_RANGES - 1) // NUM_RANGES - 1
    tops = np.unique(np.sort(numbers)[last]) if len(numbers) else np.array([1])
    low = 0
    for number, high in enumerate(tops.tolist()):
        limits = {"lower": str(low), "upper": str(high), "label": f"{low} - {high}"}
        Xml.SubElement(ranges, "range", {**limits, "symbol": str(number), "render": "true"})
        share = number / max(1, len(tops) - 1)
        colour = [round(few + share * (many - few)) for few, many in zip(FEW, MANY, strict=True)]
        fill = {"style": "solid", "color": ",".join(map(str, colour)), "outline_color": GREY}
        _add_symbol(symbols, str(number), "fill", {**fill, "outline_width": "0.1"})
        low = high + 1
    Xml.SubElement(qgis, "layerGeometryType").text = POLYGONS
    return HEADER + Xml.tostring(qgis, encoding="unicode")


def _add_value(symbols: Xml.Element, name: str, colour: str, points: bool) -> None:
    if points:
        drawn = {"name": "circle", "color": colour, "size": DOT_MM, "size_unit": "MM"}
        drawn |= {"outline_color": "0,0,0,255", "outline_width": "0.2"}
    else:
        drawn = {"style": "no", "color": colour, "outline_color": colour, "outline_width": LINE_MM}
    _add_symbol(symbols, name, "marker" if points else "fill", drawn)


def _add_symbol(symbols: Xml.Element, name: str, kind: str, drawn: dict[str, str]) -> None:
    facts = {"name": name, "type": kind, "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"}
    symbol = Xml.SubElement(symbols, "symbol", facts)
    shape = "SimpleMarker" if kind == "marker" else "SimpleFill"
    layer = Xml.SubElement(
        symbol, "layer", {"class": shape, "enabled": "1", "locked": "0", "pass": "0"}
    )
    line = {"outline_style": "solid", "outline_width_unit": "MM", "joinstyle": "miter"}
    options = Xml.SubElement(layer, "Option", type="Map")
    for key, value in {**line, **drawn}.items():
        Xml.SubElement(options, "Option", name=key, value=value, type="QString")
