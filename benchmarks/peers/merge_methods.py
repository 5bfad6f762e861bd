"""One way to merge the boxes of tiles, timed in a process of its own.

    python -m benchmarks.peers.merge_methods METHOD SETTINGS_JSON VIEWS.npz OUT_FOLDER MEMORY_GB

Run by `speed/merge.py` and `accuracy/tiles_against_whole.py`, also by interpreters that have the
peers and not smalldet. Time runs from arrays in memory to the final objects as the
library hands them out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.limited import least_time, limit_memory, peak_mb

Arrays = dict[str, np.ndarray]  # boxes, scores, labels, tile, cut, tiles
Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes, scores, labels


def smalldet(views: Arrays, **settings: Any) -> tuple[Callable[[], Any], Callable[[Any], Found]]:
    import torch

    from smalldet.detections import TileDetections
    from smalldet.geometry.merge import merge_tiles

    names = tuple(map(str, range(int(views["labels"].max(initial=0)) + 1)))

    def run() -> Any:
        columns = ("boxes", "scores", "labels", "tile", "cut", "tiles")
        tensors = [torch.from_numpy(views[column]) for column in columns]
        return merge_tiles(TileDetections(*tensors, names), **settings)

    return run, lambda found: (found.boxes.numpy(), found.scores.numpy(), found.labels.numpy())


def torchvision_nms(
    views: Arrays, threshold: float
) -> tuple[Callable[[], Any], Callable[..., Found]]:
    import torch
    from torchvision.ops import batched_nms

    def run() -> Any:
        boxes, scores, labels = (torch.from_numpy(views[k]) for k in ("boxes", "scores", "labels"))
        return batched_nms(boxes, scores, labels, threshold)

    return run, lambda kept: tuple(views[k][kept.numpy()] for k in ("boxes", "scores", "labels"))


def sahi(
    views: Arrays, kind: str, metric: str, threshold: float
) -> tuple[Callable[[], Any], Callable[..., Found]]:
    from sahi.postprocess import combine, set_postprocess_backend
    from sahi.prediction import ObjectPrediction

    set_postprocess_backend("numba")
    merge = {"GREEDYNMM": combine.GreedyNMMPostprocess, "NMS": combine.NMSPostprocess}[kind](
        match_threshold=threshold, match_metric=metric, class_agnostic=False
    )

    def run() -> Any:
        columns = (views[k].tolist() for k in ("boxes", "scores", "labels"))
        return merge(
            [
                ObjectPrediction(bbox=box, score=score, category_id=label, category_name=str(label))
                for box, score, label in zip(*columns, strict=True)
            ]
        )

    def found(objects: Any) -> Found:
        return (
            np.array([o.bbox.to_xyxy() for o in objects], dtype=np.float32).reshape(-1, 4),
            np.array([o.score.value for o in objects], dtype=np.float32),
            np.array([o.category.id for o in objects], dtype=np.int64),
        )

    return run, found


def supervision(
    views: Arrays, kind: str, metric: str, threshold: float
) -> tuple[Callable[[], Any], Callable[..., Found]]:
    import supervision as sv
    from supervision.detection.utils.iou_and_nms import OverlapMetric

    def run() -> Any:
        boxes, scores, labels = (views[k] for k in ("boxes", "scores", "labels"))
        merge = getattr(sv.Detections(boxes, confidence=scores, class_id=labels), f"with_{kind}")
        return merge(threshold, overlap_metric=OverlapMetric[metric])

    return run, lambda found: (found.xyxy, found.confidence, found.class_id)


METHODS = {
    "smalldet": smalldet,
    "torchvision": torchvision_nms,
    "sahi": sahi,
    "supervision": supervision,
}


def main(method: str, settings: str, source: str, out: str, memory_gb: float) -> None:
    """Merge by each of the settings, time it, and write what came out and how long it took."""
    limit_memory(memory_gb)
    with np.load(source) as arrays:
        views = dict(arrays)
    few = {k: v if k == "tiles" else v[:2500] for k, v in views.items()}
    for number, options in enumerate(json.loads(settings)):
        METHODS[method](few, **options)[0]()  # imports, and what is compiled at the first call
        before_mb = peak_mb()
        run, arrays_of = METHODS[method](views, **options)
        result, s = least_time(run)
        boxes, scores, labels = arrays_of(result)
        found = {"boxes": boxes, "scores": scores, "labels": labels}
        np.savez(f"{out}/{number}.npz", **found, s=s, peak_mb=peak_mb() - before_mb)


if __name__ == "__main__":
    method, settings, source, out, memory_gb = sys.argv[1:]
    main(method, settings, source, out, float(memory_gb))
