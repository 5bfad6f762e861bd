"""GeoPackage: layers of shapes, and how QGIS is to draw them.

https://www.geopackage.org/spec/; the table of styles is that of QGIS.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.counting import count_layer
from smalldet.inference.writers.gdal_files import encoded, write_with_gdal
from smalldet.inference.writers.layers import Layer, detection_layer, map_crs
from smalldet.inference.writers.qgis_style import style_of_counts, style_of_values

STYLES = "layer_styles"
CREATE_STYLES = f"""CREATE TABLE "{STYLES}" (
"id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "f_table_catalog" TEXT(256),
"f_table_schema" TEXT(256), "f_table_name" TEXT(256), "f_geometry_column" TEXT(256),
"styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT, "useAsDefault" BOOLEAN,
"description" TEXT, "owner" TEXT(30), "ui" TEXT(30),
"update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""
INSERT_STYLE = f"""INSERT INTO "{STYLES}" (f_table_catalog, f_table_schema, f_table_name,
f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, ui)
VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', '')"""
REGISTER = f"""INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)
VALUES ('{STYLES}', 'attributes', '{STYLES}', 'Styles of layers, as QGIS reads them', 0)"""


def write_geopackage(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """A layer `detections`, and one `counts` where objects are counted and `counts` names no file.

    Raises:
        OSError: the file cannot be written, as on a full disk.
        ValueError: a picture has no georeference, or `crs` does not fit.
    """
    layers = [detection_layer(results, map_crs(results, maps.crs, path), maps)]
    if maps.count_in is not None and maps.counts is None:
        layers.append(count_layer(results, maps.count_in))
    save_geopackage(path, *layers)


def save_geopackage(path: Path, *layers: Layer) -> None:
    """Layers in one file, and how QGIS draws them: see `qgis_style`.

    Raises:
        OSError: the file cannot be written.
    """
    if len(layers) == 1:
        content = encoded(layers[0], "GPKG")
    else:
        with tempfile.TemporaryDirectory() as scratch:
            packed = Path(scratch) / "layers.gpkg"
            try:
                for layer in layers:
                    write_with_gdal(packed, layer, "GPKG")
                content = packed.read_bytes()
            except OSError as error:
                raise OSError(f"{path}: cannot be written: {error}") from error
    path.write_bytes(_with_styles(content, layers, path))


def _style(layer: Layer) -> tuple[str, str, str]:
    """Name, QML and description."""
    column = layer.drawn_by
    if layer.colours is not None:
        words = f"One colour for each {column}"
        return column, style_of_values(column, layer.colours, layer.geometry_type), words
    return "counts", style_of_counts(column, layer.columns[column]), "The more, the darker"


def _with_styles(content: bytes, layers: tuple[Layer, ...], path: Path) -> bytes:
    """The database with the styles in it, once it has been found to be whole."""
    database = sqlite3.connect(":memory:")
    try:
        database.deserialize(content)
        for layer in layers:
            [(num,)] = database.execute(f'SELECT count(*) FROM "{layer.name}"')
            if num != len(layer.shapes):
                raise OSError(f"{path}: cannot be written: {num} of {len(layer.shapes)} shapes are")
        database.execute(CREATE_STYLES)
        database.execute(REGISTER)
        for layer in layers:
            name, style, words = _style(layer)
            database.execute(INSERT_STYLE, (layer.name, "geom", name, style, words))
        database.commit()
        return database.serialize()
    except sqlite3.Error as error:
        raise OSError(f"{path}: cannot be written: {error}") from error
    finally:
        database.close()
