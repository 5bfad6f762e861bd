"""VisDrone's protocol: 500 detections of a picture over all classes, none in ignored regions.

What lies by half or more in ignored regions is dropped first, objects and detections alike. Then
the strongest of a picture count, whatever their classes. AP is the area under the curve. The mean
over classes weighs each by the pictures that have an object of it: the toolkit lists a class once
for each.

Source: github.com/VisDrone/VisDrone2018-DET-toolkit: dropObjectsInIgr.m, evalRes.m, calcAccuracy.m.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from smalldet.evaluation.assignment import IOU_THRESHOLDS, Preferences
from smalldet.evaluation.candidates import by_iou
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import class_table, judge, under_the_curve
from smalldet.evaluation.metrics.by_class import ClassValues
from smalldet.evaluation.rows import Rows

CAPS = (1, 10, 100, 500)
MOST_IN_REGIONS = 0.5


def measure_visdrone(comparison: Comparison) -> ClassValues:
    """AP over IoU 0.50 to 0.95, at 0.50 and 0.75; AR of 1, 10, 100 and 500 detections a picture."""
    regions = comparison.objects[comparison.objects.ignore]
    objects = _judged_objects(comparison)
    detections = comparison.detections[~_in_regions(regions, comparison.detections)]
    place = np.arange(len(detections)) - np.searchsorted(detections.pictures, detections.pictures)
    detections, place = detections[place < CAPS[-1]], place[place < CAPS[-1]]
    num_objects = np.bincount(objects.labels, minlength=len(comparison.index.class_names))
    none = np.zeros(len(objects), dtype=np.bool_)
    preferences = Preferences.of(by_iou(objects, detections), none, none, len(detections))
    precisions: list[NDArray[np.float64]] = []
    recalls: list[NDArray[np.float64]] = []
    for threshold in IOU_THRESHOLDS.tolist():
        verdicts = judge(preferences, threshold)
        precisions.append(class_table(verdicts, detections, num_objects, under_the_curve))
        hits = [detections.labels[verdicts.hit & (place < cap)] for cap in CAPS]
        found = np.array([np.bincount(labels, minlength=len(num_objects)) for labels in hits])
        recalls.append(np.where(num_objects > 0, found / np.maximum(num_objects, 1), np.nan))
    recall = np.mean(recalls, axis=0)
    return {
        "VisDrone_AP": np.mean(precisions, axis=0),
        "VisDrone_AP50": precisions[0],
        "VisDrone_AP75": precisions[5],
        **{f"VisDrone_AR{cap}": recall[i] for i, cap in enumerate(CAPS)},
    }


def pictures_of_each_class(comparison: Comparison) -> NDArray[np.float64]:
    """(num classes,) pictures that have an object of it outside of ignored regions."""
    objects = _judged_objects(comparison)
    cells = np.unique(np.stack([objects.labels, objects.pictures]), axis=1)
    return np.bincount(cells[0], minlength=len(comparison.index.class_names)).astype(np.float64)


def _judged_objects(comparison: Comparison) -> Rows:
    ignore = comparison.objects.ignore
    objects = comparison.objects[~ignore]
    return objects[~_in_regions(comparison.objects[ignore], objects)]


def _in_regions(regions: Rows, rows: Rows) -> NDArray[np.bool_]:
    """(len(rows),) bool, half or more in the ignored regions of the picture and class."""
    pairs = by_iou(regions, rows, least=np.finfo(np.float64).tiny)
    shares = np.bincount(pairs.detections, pairs.likeness, minlength=len(rows))
    inside = np.zeros(len(rows), dtype=np.bool_)
    inside[pairs.detections[pairs.likeness >= MOST_IN_REGIONS]] = True
    # Regions may overlap each other: where only several together hold a half, their union decides.
    for row in np.flatnonzero((shares >= MOST_IN_REGIONS) & ~inside).tolist():
        own = pairs[pairs.detections == row]
        ground = shapely.union_all(shapely.box(*regions.boxes[own.objects].T))
        box = shapely.box(*rows.boxes[row])
        inside[row] = shapely.area(shapely.intersection(ground, box)) >= MOST_IN_REGIONS * box.area
    return inside
