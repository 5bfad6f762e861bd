"""Average precision as PASCAL VOC has it: IoU 0.5, `difficult` objects neither hit nor missed.

A detection is judged by the object that it overlaps most, whether that is taken or not. Its first
detection, by falling score, is a hit and all others are false alarms; on a difficult object none
is either.

Source: the development kit's VOCevaldet.m; Everingham et al. 2010, section 4.2; 2015, section 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.candidates import Candidates
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.judging import Verdicts, at_11_points, class_table, under_the_curve
from smalldet.evaluation.metrics.by_class import ClassValues


def measure_voc(comparison: Comparison) -> ClassValues:
    """AP over 11 points of recall (VOC 2007) and under the curve (from 2010 on)."""
    return voc_tables(comparison, comparison.pairs, "VOC07_AP50", "VOC_AP50")


def voc_tables(
    comparison: Comparison, pairs: Candidates, at_points: str, under_curve: str
) -> ClassValues:
    """Both averages of a comparison.

    Args:
        comparison: what the pairs are of.
        pairs: of detections that overlap enough to be on an object.
        at_points: name of the average over 11 points.
        under_curve: name of the area under the curve.
    """
    objects = comparison.objects
    unjudged = objects.ignore | _difficult(comparison)
    verdicts = _judge(comparison, pairs, unjudged)
    num_objects = np.bincount(objects.labels[~unjudged], minlength=len(comparison.num_objects))
    tables = {at_points: at_11_points, under_curve: under_the_curve}
    return {
        name: class_table(verdicts, comparison.detections, num_objects, average)
        for name, average in tables.items()
    }


def _difficult(comparison: Comparison) -> NDArray[np.bool_]:
    """(len(objects),) bool; the regions of unknown classes stand behind the objects."""
    difficult = np.zeros(len(comparison.objects), dtype=np.bool_)
    marked = [record.difficult for record in comparison.index.records]
    if marked:
        rows = np.concatenate(marked)
        difficult[: len(rows)] = rows
    return difficult


def _judge(comparison: Comparison, pairs: Candidates, unjudged: NDArray[np.bool_]) -> Verdicts:
    ignore = comparison.objects.ignore
    num = len(comparison.detections)
    # The last of several assignments to a place stays: an object before a region, the highest IoU,
    # of equals the first object.
    order = np.lexsort((-pairs.objects, pairs.likeness, ~ignore[pairs.objects]))
    given = np.full(num, -1)
    given[pairs.detections[order]] = pairs.objects[order]
    on = np.flatnonzero(given >= 0)
    on = on[~unjudged[given[on]]]
    first = np.full(len(ignore), num)
    np.minimum.at(first, given[on], on)
    hit = np.zeros(num, dtype=np.bool_)
    hit[on] = first[given[on]] == on
    false_alarm = given < 0
    false_alarm[on] = ~hit[on]
    return Verdicts(given, hit, false_alarm)
