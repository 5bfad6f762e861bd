"""Label Studio's predictions, to be corrected there: https://labelstud.io/guide/predictions.

The labelling interface calls its parts as its template of boxes does: `<Image name="image"
value="$image"/>` and `<RectangleLabels name="label" toName="image">`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from smalldet.imagery.remote import is_remote
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result, names_from_shared_folder
from smalldet.inference.writers.placing import quads
from smalldet.inference.writers.tables import rounded

LOCAL = "/data/local-files/?d="


def write_label_studio(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """A task for each picture, with one prediction; `maps` has no meaning in it.

    Oriented boxes are turned rectangles. Pictures are files of Label Studio's local storage, named
    from the folder above the one that they share: it is what
    LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT must name. Addresses stay as they are.
    """
    names = names_from_shared_folder(results, above=1)
    tasks = [_task(result, name) for result, name in zip(results, names, strict=True)]
    path.write_text("[" + ",\n".join(map(json.dumps, tasks)) + "]\n", encoding="utf-8")


def _task(result: Result, name: str) -> dict[str, Any]:
    scores = result.detections.scores.double()
    prediction: dict[str, Any] = {"model_version": "smalldet", "result": _regions(result)}
    if len(scores):
        prediction["score"] = round(float(scores.mean()), 5)
    image = name if is_remote(name) else LOCAL + quote(name)
    return {"data": {"image": image}, "predictions": [prediction]}


def _regions(result: Result) -> list[dict[str, Any]]:
    """Rectangles in parts of a hundred; one turns about its left top corner, in degrees."""
    found, size = result.detections, np.array([result.width, result.height])
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).double().numpy()
    degrees = np.zeros(len(found))
    if found.rboxes is not None:
        sides = found.rboxes[:, 2:4].double().numpy()
        degrees = np.degrees(found.rboxes[:, 4].double().numpy()) % 360
    parts = np.concatenate([quads(result)[:, 0] / size, sides / size], axis=1) * 100
    numbers = np.concatenate([rounded(parts, 6), rounded(degrees[:, None], 6)], axis=1)
    drawn = {"original_width": result.width, "original_height": result.height, "image_rotation": 0}
    what = {"type": "rectanglelabels", "from_name": "label", "to_name": "image", **drawn}
    keys = ("x", "y", "width", "height", "rotation")
    return [
        {
            "id": str(number),
            **what,
            "score": score,
            "value": {**dict(zip(keys, values, strict=True)), "rectanglelabels": [name]},
        }
        for number, (values, name, score) in enumerate(
            zip(
                numbers.tolist(),
                found.named(),
                rounded(found.scores.numpy(), 5).tolist(),
                strict=True,
            ),
            start=1,
        )
    ]
