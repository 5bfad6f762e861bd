"""How QGIS draws detections: a thin outline, or a dot, in the colour of each class."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from smalldet.imagery.drawing import class_colours

LINE_MM, DOT_MM = "0.4", "2"
HEADER = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
# QGIS's numbers for what a layer holds.
POINTS, POLYGONS = "0", "2"


def qgis_style(class_names: Sequence[str], geometry_type: str) -> str:
    """A style of QGIS (QML) that goes by the column `class`.

    Args:
        class_names: all classes that may occur; the colours are those of smalldet's pictures.
        geometry_type: `Point`, `Polygon` or `MultiPolygon`.
    """
    points = geometry_type == "Point"
    qgis = Xml.Element("qgis", version="3.28.0", styleCategories="Symbology")
    renderer = Xml.SubElement(
        qgis,
        "renderer-v2",
        {"type": "categorizedSymbol", "attr": "class", "symbollevels": "0", "enableorderby": "0"},
    )
    categories = Xml.SubElement(renderer, "categories")
    symbols = Xml.SubElement(renderer, "symbols")
    for number, (name, colour) in enumerate(
        zip(class_names, class_colours(len(class_names)), strict=True)
    ):
        category = {"value": name, "label": name, "symbol": str(number), "type": "string"}
        Xml.SubElement(categories, "category", {**category, "render": "true"})
        _add_symbol(symbols, str(number), ",".join(map(str, (*colour, 255))), points)
    Xml.SubElement(qgis, "layerGeometryType").text = POINTS if points else POLYGONS
    return HEADER + Xml.tostring(qgis, encoding="unicode")


def _add_symbol(symbols: Xml.Element, name: str, colour: str, points: bool) -> None:
    kind = {"name": name, "type": "marker" if points else "fill", "alpha": "1"}
    symbol = Xml.SubElement(symbols, "symbol", {**kind, "clip_to_extent": "1", "force_rhr": "0"})
    shape = {"class": "SimpleMarker" if points else "SimpleFill", "enabled": "1", "locked": "0"}
    layer = Xml.SubElement(symbol, "layer", {**shape, "pass": "0"})
    line = {"outline_style": "solid", "outline_width_unit": "MM", "joinstyle": "miter"}
    if points:
        drawn = {"name": "circle", "color": colour, "size": DOT_MM, "size_unit": "MM"}
        drawn |= {"outline_color": "0,0,0,255", "outline_width": "0.2"}
    else:
        drawn = {"style": "no", "color": colour, "outline_color": colour, "outline_width": LINE_MM}
    options = Xml.SubElement(layer, "Option", type="Map")
    for key, value in {**line, **drawn}.items():
        Xml.SubElement(options, "Option", name=key, value=value, type="QString")
