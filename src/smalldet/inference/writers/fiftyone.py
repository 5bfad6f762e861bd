"""FiftyOne's folder of pictures and boxes, `fo.types.FiftyOneImageDetectionDataset`.

Layout: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.picture_links import link_pictures
from smalldet.geometry.boxes import xyxy_to_xywh
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.tables import rounded


def write_fiftyone(folder: Path, results: Sequence[Result], maps: MapOptions) -> list[Path]:
    """`labels.json`, and `data/` with links to the pictures; `maps` has no meaning in it.

    Returns:
        the file of labels.

    Raises:
        ValueError: a picture is no file, or a name in `data` is taken.
    """
    pictures = [_file(result, folder) for result in results]
    links = link_pictures(pictures, folder / "data")
    labels = {link.stem: _objects(result) for link, result in zip(links, results, strict=True)}
    whole = {"classes": results[0].detections.class_names, "labels": labels}
    file = folder / "labels.json"
    write_text(file, json.dumps(whole))
    return [file]


def _file(result: Result, folder: Path) -> Path:
    picture = result.picture
    if not isinstance(picture, str | Path) or not Path(picture).is_file():
        raise ValueError(
            f"{folder}: FiftyOne needs pictures that are files, as {result.name} is not"
        )
    return Path(picture)


def _objects(result: Result) -> list[dict[str, Any]]:
    found, size = result.detections, np.array([result.width, result.height] * 2)
    parts = rounded(xyxy_to_xywh(found.boxes.double()).numpy() / size, 8).tolist()
    scores = rounded(found.scores.numpy(), 5).tolist()
    return [
        {"label": name, "bounding_box": box, "confidence": score}
        for name, box, score in zip(found.named(), parts, scores, strict=True)
    ]
