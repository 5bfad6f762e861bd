"""COCO json of georeferenced pictures as predictions: labels are predictions of score 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from smalldet.changing.readings import Reading, of_results
from smalldet.data.formats import coco
from smalldet.data.formats.json_files import load_object
from smalldet.detections import Detections
from smalldet.imagery.ground import located
from smalldet.inference.results import Result


def read_coco(path: Path, pictures: Path | None) -> Reading:
    """Objects of a COCO json, placed by its pictures; crowds and ignore regions are left out.

    Args:
        path: the file.
        pictures: folder in which its file names start; their usual place if None.

    Raises:
        FileNotFoundError: pictures are not there; names one.
        ValueError: it is damaged, or a picture has no place on a map.
    """
    index = coco.read(path, pictures)
    content = load_object(path)
    row_of = {record.image_id: row for row, record in enumerate(index.records)}
    annotations = content["annotations"]
    rows = np.array([row_of[entry["image_id"]] for entry in annotations], dtype=np.int64)
    told = [entry.get("score", 1.0) for entry in annotations]
    if not all(type(score) in (int, float) and 0 <= score <= 1 for score in told):
        raise ValueError(f"{path}: a score of its annotations is no number of 0 to 1")
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=len(index)))[:-1]
    scores = np.split(np.array(told, dtype=np.float32)[order], ends)
    results: list[Result] = []
    for record, own in zip(index.records, scores, strict=True):
        ground = located(record.path)
        if (ground.width, ground.height) != (record.width, record.height):
            raise ValueError(
                f"{record.path}: is {ground.width} x {ground.height} px, and {path} was made for "
                f"{record.width} x {record.height}"
            )
        kept = ~record.ignore
        rboxes = None if record.rboxes is None else torch.from_numpy(record.rboxes[kept])
        detections = Detections(
            torch.from_numpy(record.boxes[kept]),
            torch.from_numpy(own[kept]),
            torch.from_numpy(record.labels[kept]),
            index.class_names,
            rboxes,
        )
        size, place = (ground.width, ground.height), (ground.crs, ground.transform)
        results.append(Result(str(record.path), record.path, (1,), *size, *place, detections))
    sources = tuple(str(record.path) for record in index.records)
    return of_results(str(path), results, sources, index.class_names)
