"""COCO and CSV: detections in pixels."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.geometry.boxes import box_areas, xyxy_to_xywh
from smalldet.imagery.sources import is_remote
from smalldet.inference.results import Result
from smalldet.inference.writers.placing import SOURCE, centres, named_crs, pixel_points

COLUMNS = ("source", "class", "score", "x1", "y1", "x2", "y2")
MAP_COLUMNS = ("map_x", "map_y", "crs")


def write_coco(path: Path, results: Sequence[Result], crs: str | None = None) -> None:
    """One COCO file for all pictures; `crs` has no meaning in it.

    Categories and all other ids count from 1, boxes are x, y, w, h in pixels, and each annotation
    has a score. File names are relative to the folder that the pictures share.
    """
    names = [result.name for result in results]
    if not any(is_remote(name) for name in names):
        shared = os.path.commonpath([Path(name).absolute().parent for name in names])
        names = [Path(name).absolute().relative_to(shared).as_posix() for name in names]
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
    found = result.detections
    boxes = xyxy_to_xywh(found.boxes.double())
    columns = (
        boxes.numpy().round(3).tolist(),
        box_areas(found.boxes.double()).numpy().round(3).tolist(),
        (found.labels + 1).tolist(),
        found.scores.double().numpy().round(5).tolist(),
    )
    for box, area, category, score in zip(*columns, strict=True):
        yield {
            "image_id": image_id,
            "category_id": category,
            "bbox": box,
            "area": area,
            "iscrowd": 0,
            "score": score,
        }


def write_csv(path: Path, results: Sequence[Result], crs: str | None = None) -> None:
    """A row for each detection: source, class, score, x1, y1, x2, y2 in pixels.

    Where a picture is georeferenced also map_x, map_y of the centre and the crs they are in: the
    picture's own, or `crs`.
    """
    placed = any(result.georeferenced for result in results)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS + MAP_COLUMNS if placed else COLUMNS)
        for result in results:
            found = result.detections
            num = len(found)
            columns = [[result.name] * num, found.named(), _rounded(found.scores.numpy(), 5)]
            columns += _rounded(found.boxes.numpy(), 3).T.tolist()
            if result.georeferenced:
                columns += _map_columns(result, crs)
            writer.writerows(zip(*columns, strict=True))


def _map_columns(result: Result, crs: str | None) -> list[list[Any]]:
    assert result.crs is not None
    target = result.crs if crs in (None, SOURCE) else named_crs(str(crs))
    points = pixel_points(result, centres(result), target)
    digits = 9 if target.is_geographic else 4
    return [*points.round(digits).T.tolist(), [target.to_string()] * len(points)]


def _rounded(values: np.ndarray[Any, Any], digits: int) -> np.ndarray[Any, Any]:
    return values.astype(np.float64).round(digits)
