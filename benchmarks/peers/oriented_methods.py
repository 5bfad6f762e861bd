"""One way to suppress oriented boxes, timed in a process of its own.

    python -m benchmarks.peers.oriented_methods METHOD BOXES.npz OUT.npz IOU_THRESHOLD MEMORY_GB

Run by `speed/oriented.py`, also by interpreters that have the peers and not smalldet. Every method
gets boxes in the form that its library works on, and classes by themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks.limited import least_time, limit_memory, peak_mb

Arrays = dict[str, np.ndarray]  # rboxes (N, 5), quads (N, 4, 2), scores (N,), labels (N,)
Run = Callable[[], np.ndarray]  # to (N,) bool, the boxes kept


def smalldet(boxes: Arrays, threshold: float) -> Run:
    import torch

    from smalldet.geometry.rotated import rotated_nms

    rboxes, scores, labels = (torch.from_numpy(boxes[k]) for k in ("rboxes", "scores", "labels"))

    def run() -> np.ndarray:
        kept = np.zeros(len(rboxes), dtype=np.bool_)
        kept[rotated_nms(rboxes, scores, labels, threshold).numpy()] = True
        return kept

    return run


def supervision(boxes: Arrays, threshold: float) -> Run:
    from supervision.detection.utils.iou_and_nms import oriented_box_non_max_suppression

    quads, scores, labels = (boxes[k] for k in ("quads", "scores", "labels"))
    corners = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)
    predictions = np.column_stack([corners, scores, labels])
    return lambda: oriented_box_non_max_suppression(predictions, quads, threshold)


def shapely_loop(boxes: Arrays, threshold: float) -> Run:
    """As it is usually written: the strongest box stays, and those that overlap it go."""
    from shapely import Polygon

    def run() -> np.ndarray:
        polygons = [Polygon(quad) for quad in boxes["quads"].astype(np.float64)]
        areas = np.array([polygon.area for polygon in polygons])
        low, high = boxes["quads"].min(axis=1), boxes["quads"].max(axis=1)
        labels = boxes["labels"]
        kept = np.zeros(len(polygons), dtype=np.bool_)
        left = np.argsort(-boxes["scores"], kind="stable")
        while len(left):
            row, left = left[0], left[1:]
            kept[row] = True
            apart = (low[left] >= high[row]).any(axis=1) | (high[left] <= low[row]).any(axis=1)
            near = np.flatnonzero(~apart & (labels[left] == labels[row]))
            gone = np.zeros(len(left), dtype=np.bool_)
            for place in near:
                other = left[place]
                shared = polygons[row].intersection(polygons[other]).area
                gone[place] = shared / (areas[row] + areas[other] - shared) > threshold
            left = left[~gone]
        return kept

    return run


def shapely_tree(boxes: Arrays, threshold: float) -> Run:
    """The same in few calls: neighbours from a tree, and one intersection call a kept box."""
    import shapely

    def run() -> np.ndarray:
        polygons = np.asarray(shapely.polygons(boxes["quads"].astype(np.float64)))
        areas, tree = np.asarray(shapely.area(polygons)), shapely.STRtree(polygons)
        labels = boxes["labels"]
        kept = np.ones(len(polygons), dtype=np.bool_)
        done = np.zeros(len(polygons), dtype=np.bool_)
        for row in np.argsort(-boxes["scores"], kind="stable"):
            done[row] = True
            if not kept[row]:
                continue
            near = tree.query(polygons[row])
            near = near[~done[near] & kept[near] & (labels[near] == labels[row])]
            shared = shapely.area(shapely.intersection(polygons[row], polygons[near]))
            kept[near[shared / (areas[row] + areas[near] - shared) > threshold]] = False
        return kept

    return run


METHODS = {
    "smalldet": smalldet,
    "supervision": supervision,
    "shapely_loop": shapely_loop,
    "shapely_tree": shapely_tree,
}


def main(method: str, source: str, out: str, threshold: float, memory_gb: float) -> None:
    """Suppress, time it, and write what was kept and how long it took."""
    limit_memory(memory_gb)
    with np.load(source) as arrays:
        boxes = dict(arrays)
    METHODS[method]({name: values[:200] for name, values in boxes.items()}, threshold)()  # imports
    before_mb = peak_mb()
    kept, s = least_time(METHODS[method](boxes, threshold))
    np.savez(out, kept=kept, s=s, peak_mb=peak_mb() - before_mb)


if __name__ == "__main__":
    method, source, out, threshold, memory_gb = sys.argv[1:]
    main(method, source, out, float(threshold), float(memory_gb))
