"""What is odd about labels and detections, so that their figures are not taken for more."""

from __future__ import annotations

import numpy as np

from smalldet.evaluation.comparison import Comparison


def remarks_on(comparison: Comparison) -> list[str]:
    """Sentences for the notes of a report; no error, as figures can still be made."""
    records, found = comparison.index.records, comparison.detections
    remarks: list[str] = []
    if not records:
        return ["the labels hold no picture: nothing is measured"]
    if comparison.objects.ignore.all():
        remarks.append("the labels hold no object: only false alarms are counted")
    if not len(found):
        remarks.append("nothing was found: no detection of any score")
    elif not found.is_at_least(comparison.conf).any():
        remarks.append(
            f"nothing was found from conf {comparison.conf:g} on; the strongest has "
            f"{found.scores.max():.3g}"
        )
    repeated = len(records) - len({record.image_id for record in records})
    if repeated:
        remarks.append(
            f"{repeated} pictures have the id of another: results call pictures by their place, "
            "from 1"
        )
    twice = _num_twice(comparison)
    if twice:
        remarks.append(f"{twice} objects are labelled twice: one of each two is missed or a double")
    return remarks


def _num_twice(comparison: Comparison) -> int:
    """Objects of the class and the box of another of their picture."""
    objects = comparison.objects[~comparison.objects.ignore]
    rows = np.column_stack([objects.pictures, objects.labels, objects.boxes])
    return len(rows) - len(np.unique(rows, axis=0))
