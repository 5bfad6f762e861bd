"""COCO, CSV and DOTA text: detections in pixels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.geometry.boxes import box_areas, xyxy_to_xywh
from smalldet.geometry.masks import run_lengths
from smalldet.geometry.oriented import rbox_areas
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result, names_from_shared_folder
from smalldet.inference.writers.layers import Layer
from smalldet.inference.writers.measures import MEASURES, measures
from smalldet.inference.writers.placing import SOURCE, centre_points, named_crs, quads

COLUMNS = ("id", "source", "class", "score", "x1", "y1", "x2", "y2")
ORIENTED_COLUMNS = ("cx", "cy", "w", "h", "angle_rad")
MAP_COLUMNS = ("map_x", "map_y", "crs")


def write_coco(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """One COCO file for all pictures, in pixels: `maps` has no meaning in it.

    Categories and all other ids count from 1, boxes are x, y, w, h in pixels, and each annotation
    has a score. File names are relative to the folder that the pictures share. An oriented box is
    the `segmentation` by its corners and `rbbox` = [cx, cy, w, h, angle], the angle in radians,
    clockwise on the screen; `bbox` encloses it, and `area` is its own. A mask is the
    `segmentation` as run-length code, and `area` its pixels.
    """
    names = names_from_shared_folder(results)
    images = [
        {"id": i, "file_name": name, "width": result.width, "height": result.height}
        for i, (name, result) in enumerate(zip(names, results, strict=True), start=1)
    ]
    annotations = [a for i, result in enumerate(results, 1) for a in _annotations(result, i)]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    class_names = results[0].detections.class_names
    categories = [{"id": i, "name": name} for i, name in enumerate(class_names, start=1)]
    whole = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(whole), encoding="utf-8")


def _annotations(result: Result, image_id: int) -> Iterator[dict[str, Any]]:
    detections = result.detections
    boxes = detections.boxes.double()
    areas = (
        box_areas(boxes) if detections.rboxes is None else rbox_areas(detections.rboxes.double())
    )
    columns: dict[str, list[Any]] = {
        "category_id": (detections.labels + 1).tolist(),
        "area": rounded(areas.numpy(), 3).tolist(),
        **coco_columns(result),
    }
    if detections.masks is not None:
        columns["area"] = [sum(code["counts"][1::2]) for code in columns["segmentation"]]
    for values in zip(*columns.values(), strict=True):
        yield {"image_id": image_id, "iscrowd": 0} | dict(zip(columns, values, strict=True))


def coco_columns(result: Result) -> dict[str, list[Any]]:
    """What COCO says of N detections, whatever its classes are numbered by; see `write_coco`."""
    detections = result.detections
    boxes = detections.boxes.double()
    columns: dict[str, list[Any]] = {
        "bbox": rounded(xyxy_to_xywh(boxes).numpy(), 3).tolist(),
        "score": rounded(detections.scores.numpy(), 5).tolist(),
    }
    if detections.rboxes is not None:
        corners = rounded(quads(result).reshape(-1, 8), 3).tolist()
        columns["segmentation"] = [[ring] for ring in corners]
        columns["rbbox"] = rounded(detections.rboxes.numpy(), 6).tolist()
    if detections.masks is not None:
        size = (result.width, result.height)
        runs = [run_lengths(m, b, *size) for m, b in zip(detections.masks, boxes, strict=True)]
        columns["segmentation"] = [{"size": list(size[::-1]), "counts": code} for code in runs]
    return columns


def write_csv(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """A row for each detection: id from 1, source, class, score, x1, y1, x2, y2 in pixels.

    With oriented boxes also cx, cy, w, h in pixels and angle_rad, clockwise on the screen. Where a
    picture is georeferenced also map_x, map_y of the centre and the crs they are in, the picture's
    own or `crs`, and the `MEASURES`.
    """
    placed = any(result.georeferenced for result in results)
    oriented = any(result.detections.rboxes is not None for result in results)
    header = _header(oriented, placed)
    first_id = 1
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for result in results:
            columns = _columns(result, first_id, oriented, placed, maps.crs)
            writer.writerows(zip(*columns, strict=True))
            first_id += len(result.detections)


def table_columns(result: Result) -> dict[str, list[Any]]:
    """The columns of `write_csv` by name, of one picture."""
    oriented, placed = result.detections.rboxes is not None, result.georeferenced
    columns = _columns(result, 1, oriented, placed, None)
    return dict(zip(_header(oriented, placed), columns, strict=True))


def _header(oriented: bool, placed: bool) -> tuple[str, ...]:
    return COLUMNS + ORIENTED_COLUMNS * oriented + (*MAP_COLUMNS, *MEASURES) * placed


def _columns(
    result: Result, first_id: int, oriented: bool, placed: bool, crs: str | None
) -> list[list[Any]]:
    detections = result.detections
    num = len(detections)
    columns: list[list[Any]] = [
        list(range(first_id, first_id + num)),
        [result.name] * num,
        detections.named(),
        rounded(detections.scores.numpy(), 5).tolist(),
        *rounded(detections.boxes.numpy(), 3).T.tolist(),
    ]
    if oriented:
        columns += _oriented_columns(result)
    if placed:
        columns += _map_columns(result, crs)
    return columns


def save_csv(path: Path, layer: Layer) -> None:
    """The columns of a layer without its shapes, and the coordinate system of `x` and `y`.

    Raises:
        OSError: the file cannot be written.
    """
    columns = {name: values.tolist() for name, values in layer.columns.items()}
    if layer.crs is not None and "x" in columns:
        columns["crs"] = [layer.crs.to_string()] * len(layer.shapes)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def write_dota(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """DOTA text of one picture: x1 y1 x2 y2 x3 y3 x4 y4 class score, in pixels; `maps` is ignored.

    Corners are those of the oriented box, or of the box where there is none. As columns end at
    blanks, a blank in a class name becomes a hyphen, as DOTA writes `small-vehicle`.

    Raises:
        ValueError: there are several pictures.
    """
    if len(results) != 1:
        raise ValueError(
            f"{path}: DOTA text holds one picture, not {len(results)}; name a directory"
        )
    detections = results[0].detections
    corners = quads(results[0]).reshape(-1, 8).tolist()
    lines = [
        " ".join(f"{value:.2f}" for value in row) + f" {'-'.join(name.split())} {score:.5f}\n"
        for row, name, score in zip(
            corners, detections.named(), detections.scores.tolist(), strict=True
        )
    ]
    path.write_text("".join(lines), encoding="utf-8")


def _oriented_columns(result: Result) -> list[list[Any]]:
    rboxes = result.detections.rboxes
    if rboxes is None:
        return [[""] * len(result.detections)] * len(ORIENTED_COLUMNS)
    places = rounded(rboxes[:, :4].numpy(), 3).T.tolist()
    return [*places, rounded(rboxes[:, 4].numpy(), 6).tolist()]


def _map_columns(result: Result, crs: str | None) -> list[list[Any]]:
    if not result.georeferenced:
        return [[""] * len(result.detections)] * (len(MAP_COLUMNS) + len(MEASURES))
    assert result.crs is not None
    target = result.crs if crs in (None, SOURCE) else named_crs(str(crs))
    points = centre_points(result, target)
    digits = 9 if target.is_geographic else 4
    sizes = [["" if v != v else v for v in values.tolist()] for values in measures(result).values()]
    return [*points.round(digits).T.tolist(), [target.to_string()] * len(points), *sizes]


def rounded(values: np.ndarray[Any, Any], digits: int) -> np.ndarray[Any, Any]:
    return values.astype(np.float64).round(digits)
