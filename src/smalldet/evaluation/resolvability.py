"""The smallest objects that are found: where recall against size crosses a stated recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smalldet.class_names import positions_of
from smalldet.evaluation.isotonic import rising
from smalldet.evaluation.recall_by_size import RecallBySize, recall_by_size
from smalldet.imagery.gsd import Gsd
from smalldet.inference.gsd_matching import match_gsd
from smalldet.models.seen import Seen

if TYPE_CHECKING:
    from smalldet.evaluation.comparison import Comparison

STATED_RECALL = 0.5
LEAST_OBJECTS = 20
"""Of a class, from which on a size is stated."""


@dataclass(frozen=True)
class Resolvable:
    """The side from which on objects are found at the stated recall, in the unit of the bins.

    Args:
        side: the estimate.
        low: had every bin the upper end of its interval.
        high: had every bin the lower end; None where the stated recall would not be reached.
        is_bound: the smallest objects that there were are found at the stated recall already:
            smaller ones may be too.
    """

    side: float
    low: float
    high: float | None
    is_bound: bool


def resolvable(recall: RecallBySize, stated_recall: float = STATED_RECALL) -> Resolvable | None:
    """The smallest size found at a stated recall; None with few objects or a lower recall.

    Recall is taken to rise with size: bins that fall are joined to their neighbours (isotonic
    regression, weighted by their objects). Between bins, it is interpolated over the logarithm of
    the side.

    Args:
        recall: of a class or of all.
        stated_recall: in (0, 1].
    """
    if recall.num_objects.sum() < LEAST_OBJECTS:
        return None
    filled = recall.num_objects > 0
    num, sides = recall.num_objects[filled], np.log(recall.mean_side[filled])
    share = recall.num_found_conf[filled] / num
    side, low, high = (
        _crossing(sides, rising(values, num), stated_recall)
        for values in (share, recall.high[filled], recall.low[filled])
    )
    if side is None or low is None:
        return None
    return Resolvable(side, low, high, bool(rising(share, num)[0] >= stated_recall))


def resolvable_sides(
    comparison: Comparison, seen: Seen, class_names: Sequence[str]
) -> tuple[float | None, ...]:
    """The side of each class of a model in pixels of its network; empty where none is known.

    Args:
        comparison: of pictures that the model was shown at one scale, or at that of their distance.
        seen: by the model.
        class_names: of the model.
    """
    positions = positions_of(class_names, comparison.index.class_names)
    scales = network_scales(comparison, seen, class_names)
    found = [
        resolvable(recall_by_size(comparison, np.array([position]), scales=scales))
        if position >= 0
        else None
        for position in positions
    ]
    if not any(found):
        return ()
    return tuple(None if one is None else float(f"{one.side:.3g}") for one in found)


def network_scales(
    comparison: Comparison, seen: Seen, class_names: Sequence[str]
) -> NDArray[np.float64]:
    """(objects,) how many pixels of the network showed one of the picture.

    A picture whose ground sample distance its labels do not say was shown as it is.
    """
    objects, records = comparison.objects, comparison.index.records
    positions = np.array(positions_of(comparison.index.class_names, class_names), dtype=np.int64)
    known = {record.gsd_m for record in records} - {None}
    of_distance = {metres: _scales_at(seen, tuple(class_names), metres) for metres in known}
    as_it_is = np.ones(len(class_names))
    table = np.array([of_distance.get(record.gsd_m, as_it_is) for record in records])
    if not len(objects):
        return np.ones(0)
    return table.reshape(len(records), -1)[objects.pictures, positions[objects.labels]]


def _scales_at(
    seen: Seen, class_names: tuple[str, ...], metres: float | None
) -> NDArray[np.float64]:
    """(C,) scale of each class."""
    looks = match_gsd(seen, class_names, Gsd(metres, "by its labels")).looks
    return np.sum([look.scale * look.classes.numpy() for look in looks], axis=0)


def _crossing(
    log_sides: NDArray[np.float64], rising: NDArray[np.float64], level: float
) -> float | None:
    above = np.flatnonzero(rising >= level)
    if not len(above):
        return None
    last = int(above[0])
    if last == 0:
        return float(np.exp(log_sides[0]))
    part = (level - rising[last - 1]) / (rising[last] - rising[last - 1])
    return float(np.exp(log_sides[last - 1] + part * (log_sides[last] - log_sides[last - 1])))
