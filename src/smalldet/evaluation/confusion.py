"""Which class is taken for which."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smalldet.evaluation.matching import match_boxes

if TYPE_CHECKING:
    from smalldet.evaluation.comparison import Comparison


def confusion_matrix(comparison: Comparison) -> NDArray[np.int64]:
    """Objects by their class and by the class that they are found as, at `conf` and IoU 0.5.

    Objects go to detections strongest first, whatever the classes. Ignore regions, and the
    detections that they excuse, are left out.

    Returns:
        (C + 1, C + 1): a row for each true class and one of background, a column for each class
        found and one of missed.
    """
    num = len(comparison.index.class_names)
    by_class = comparison.at_conf
    excused = ~(by_class.hit | by_class.false_alarm)
    objects = by_class.truth[~by_class.truth.ignore]
    found = by_class.detections
    matches = match_boxes(
        comparison.index,
        replace(objects, labels=np.zeros_like(objects.labels)),
        replace(found, labels=np.zeros_like(found.labels)),
    )
    alarm = matches.false_alarm & ~excused
    truth = np.concatenate(
        [
            objects.labels[matches.met[matches.hit]],
            np.full(alarm.sum(), num),
            objects.labels[matches.missed],
        ]
    )
    taken_for = np.concatenate(
        [found.labels[matches.hit], found.labels[alarm], np.full(matches.missed.sum(), num)]
    )
    cells = np.bincount(truth * (num + 1) + taken_for, minlength=(num + 1) ** 2)
    return cells.reshape(num + 1, num + 1)


def confusion_table(comparison: Comparison) -> dict[str, Any]:
    """The matrix with the names of its rows and columns, as plain lists."""
    names = comparison.index.class_names
    return {
        "truth": [*names, "background"],
        "found": [*names, "missed"],
        "counts": confusion_matrix(comparison).tolist(),
    }
