"""Other libraries' ways to put the oriented boxes of tiles together, picture by picture.

    python -m benchmarks.peers.oriented_merges METHOD SETTINGS_JSON VIEWS.npz OUT.npz MEMORY_GB

Run by `accuracy/oriented_tiles.py`, also by interpreters that have the peers and not smalldet. All
of these keep some of the boxes and drop the others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.limited import limit_memory

# Of one picture: rboxes (N, 5), quads (N, 4, 2), scores (N,), labels (N,).
Arrays = dict[str, np.ndarray]


def sahi(views: Arrays, metric: str, threshold: float) -> list[int]:
    """What SAHI does with oriented boxes: NMS, which sees the upright boxes round them."""
    from sahi.postprocess.combine import NMSPostprocess
    from sahi.prediction import ObjectPrediction

    quads = views["quads"].astype(np.float64)
    boxes = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)
    columns = (boxes.tolist(), views["scores"].tolist(), views["labels"].tolist())
    objects = [
        ObjectPrediction(bbox=box, score=score, category_id=label, category_name=str(label))
        for box, score, label in zip(*columns, strict=True)
    ]
    place = {id(one): row for row, one in enumerate(objects)}
    merge = NMSPostprocess(match_threshold=threshold, match_metric=metric, class_agnostic=False)
    return [place[id(one)] for one in merge(objects)]


def ultralytics(views: Arrays, threshold: float) -> list[int]:
    """What its validation does with DOTA's tiles: fast NMS by ProbIoU, classes moved apart."""
    import torch
    from ultralytics.utils.metrics import batch_probiou
    from ultralytics.utils.nms import TorchNMS

    rboxes = torch.from_numpy(views["rboxes"]).float()
    reach = 2 * float(rboxes[:, :2].max())
    apart = torch.from_numpy(views["labels"]).float()[:, None] * reach
    moved = torch.cat((rboxes[:, :2] + apart, rboxes[:, 2:]), dim=1)
    scores = torch.from_numpy(views["scores"])
    return TorchNMS.fast_nms(moved, scores, threshold, iou_func=batch_probiou).tolist()


def supervision(views: Arrays, threshold: float) -> list[int]:
    """Its NMS of oriented boxes, by the exact overlap."""
    from supervision.detection.utils.iou_and_nms import oriented_box_non_max_suppression

    quads, scores, labels = (views[k] for k in ("quads", "scores", "labels"))
    corners = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)
    predictions = np.column_stack([corners, scores, labels])
    return np.flatnonzero(oriented_box_non_max_suppression(predictions, quads, threshold)).tolist()


METHODS: dict[str, Callable[..., list[int]]] = {
    "sahi": sahi,
    "ultralytics": ultralytics,
    "supervision": supervision,
}


def main(method: str, settings: str, source: str, out: str, memory_gb: float) -> None:
    """Merge each picture by itself, and write which boxes are kept."""
    limit_memory(memory_gb)
    with np.load(source) as arrays:
        views = dict(arrays)
    options: dict[str, Any] = json.loads(settings)
    pictures = views.pop("pictures")
    kept = np.zeros(len(pictures), dtype=np.bool_)
    for picture in np.unique(pictures).tolist():
        rows = np.flatnonzero(pictures == picture)
        own = {name: values[rows] for name, values in views.items()}
        kept[rows[METHODS[method](own, **options)]] = True
    np.savez(out, kept=kept)


if __name__ == "__main__":
    method, settings, source, out, memory_gb = sys.argv[1:]
    main(method, settings, source, out, float(memory_gb))
