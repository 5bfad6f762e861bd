"""The formats of results, in one table. A new one is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.coco_results import check_ids, write_coco_results
from smalldet.inference.writers.cvat import write_cvat
from smalldet.inference.writers.dota_results import write_dota_results
from smalldet.inference.writers.fiftyone import write_fiftyone
from smalldet.inference.writers.gdal_files import save_flatgeobuf, save_kml, save_shapefile
from smalldet.inference.writers.geojson import write_geojson
from smalldet.inference.writers.geopackage import write_geopackage
from smalldet.inference.writers.geoparquet import check_pyarrow, save_geoparquet
from smalldet.inference.writers.label_studio import write_label_studio
from smalldet.inference.writers.layers import Layer, detection_layer, map_crs
from smalldet.inference.writers.picture import write_picture
from smalldet.inference.writers.placing import WGS84
from smalldet.inference.writers.tables import write_coco, write_csv, write_dota
from smalldet.inference.writers.yolo import write_yolo

WriteFile = Callable[[Path, Sequence[Result], MapOptions], None]
WriteFolder = Callable[[Path, Sequence[Result], MapOptions], list[Path]]


@dataclass(frozen=True)
class Writer:
    """One format of results: a file, or a folder of files.

    Args:
        name: as it is typed.
        suffixes: of its files, in small letters.
        write: (file, results, options) to the file; None for a folder.
        write_folder: (folder, results, options) to the files that it returns; None for a file.
        by_suffix: whether the suffix alone tells the format.
        file_name: of the one file for all pictures, where a folder is named; `detections` and the
            suffix if empty.
        one_picture_only: whether a file holds a single picture.
        needs_place: whether each picture must have a place on a map.
        keeps_pixels: whether pixels are told, of pictures with a place and without alike.
        in_degrees: whether places are longitude and latitude alone.
        loses: columns of the detections that it cannot keep.
        check: raises a ValueError where the format cannot be written so, or on this machine.
    """

    name: str
    suffixes: tuple[str, ...]
    write: WriteFile | None = None
    write_folder: WriteFolder | None = None
    by_suffix: bool = True
    file_name: str = ""
    one_picture_only: bool = False
    needs_place: bool = False
    keeps_pixels: bool = True
    in_degrees: bool = False
    loses: tuple[str, ...] = ()
    check: Callable[[Path, MapOptions], None] | None = None


def _layer(save: Callable[[Path, Layer], None], *, in_degrees: bool = False) -> WriteFile:
    def written(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
        crs = map_crs(results, WGS84.to_string() if in_degrees else maps.crs, path)
        save(path, detection_layer(results, crs, maps))

    return written


def _check_parquet(path: Path, maps: MapOptions) -> None:
    check_pyarrow(path)


def _check_kml(path: Path, maps: MapOptions) -> None:
    if maps.crs is not None:
        raise ValueError(f"{path}: KML has longitude and latitude only; leave out --crs")


def _map_writer(name: str, suffix: str, write: WriteFile, **facts: Any) -> Writer:
    facts = {"needs_place": True, "keeps_pixels": False, "loses": ("masks",)} | facts
    return Writer(name, (suffix,), write, **facts)


BOXES_ALONE = ("rboxes", "masks")

WRITERS: tuple[Writer, ...] = (
    _map_writer("geojson", ".geojson", write_geojson, needs_place=False),
    _map_writer("gpkg", ".gpkg", write_geopackage),
    _map_writer("fgb", ".fgb", _layer(save_flatgeobuf)),
    _map_writer("parquet", ".parquet", _layer(save_geoparquet), check=_check_parquet),
    _map_writer("shp", ".shp", _layer(save_shapefile)),
    _map_writer(
        "kml", ".kml", _layer(save_kml, in_degrees=True), in_degrees=True, check=_check_kml
    ),
    Writer("coco", (".json",), write_coco),
    Writer("csv", (".csv",), write_csv, loses=("masks",)),
    Writer("dota", (".txt",), write_dota, one_picture_only=True, loses=("masks",)),
    Writer("picture", (".jpg", ".jpeg", ".png"), write_picture, one_picture_only=True),
    Writer("cvat", (".xml",), write_cvat, file_name="annotations.xml"),
    Writer("coco-results", (".json",), write_coco_results, by_suffix=False, check=check_ids),
    Writer("dota-results", (), write_folder=write_dota_results, by_suffix=False, loses=("masks",)),
    Writer("label-studio", (".json",), write_label_studio, by_suffix=False, loses=("masks",)),
    Writer("fiftyone", (), write_folder=write_fiftyone, by_suffix=False, loses=BOXES_ALONE),
    Writer("yolo", (), write_folder=write_yolo, by_suffix=False, loses=("masks",)),
)
"""A new format is a file with its function and a line here."""

WRITER_OF_NAME = {writer.name: writer for writer in WRITERS}
WRITER_OF_SUFFIX = {
    suffix: writer for writer in WRITERS if writer.by_suffix for suffix in writer.suffixes
}
