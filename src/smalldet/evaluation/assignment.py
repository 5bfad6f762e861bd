"""One-to-one matching of detections with objects, strongest first, for all pictures at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.columns import take
from smalldet.evaluation.candidates import Candidates

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's."""
_NEARLY_ONE = 1 - 1e-10  # COCO's, so that equal boxes match at a threshold of 1


@dataclass(frozen=True, eq=False)
class Preferences:
    """What each detection would like to be on, as COCO has it.

    An object that counts before one that is ignored, then the most alike, then the later row.

    Args:
        pairs: by detection, each one's first choice first.
        ignored: (num objects,) bool, objects that are neither hit nor missed.
        shared: (num objects,) bool, regions that take any number of detections.
        num_detections: rows of the detections, of each picture strongest first.
    """

    pairs: Candidates
    ignored: NDArray[np.bool_]
    shared: NDArray[np.bool_]
    num_detections: int

    @classmethod
    def of(
        cls,
        pairs: Candidates,
        ignored: NDArray[np.bool_],
        shared: NDArray[np.bool_],
        num_detections: int,
    ) -> Preferences:
        keys = (-pairs.objects, -pairs.likeness, ignored[pairs.objects], pairs.detections)
        return cls(take(pairs, np.lexsort(keys)), ignored, shared, num_detections)


def assign(preferences: Preferences, threshold: float) -> NDArray[np.int64]:
    """The object of each detection.

    Strongest first, each detection gets the best that is left to it. As all objects prefer the
    stronger detection, that is the one stable matching, and deferred acceptance finds it in a few
    rounds for all detections at once: each asks for the best it has not asked for, an object
    keeps the strongest that asked, and who is turned away asks on.

    Source: Gale and Shapley 1962, "College admissions and the stability of marriage".

    Args:
        preferences: of the detections.
        threshold: least likeness of a pair.

    Returns:
        (num detections,) int64, row of the object; -1 for none.
    """
    pairs, num = preferences.pairs, preferences.num_detections
    alike = pairs.likeness >= min(threshold, _NEARLY_ONE)
    objects = pairs.objects[alike]
    ends = np.bincount(pairs.detections[alike], minlength=num).cumsum()
    next_place = np.concatenate([[0], ends[:-1]]) if num else ends
    given = np.full(num, -1)
    holder = np.full(len(preferences.ignored), num)
    asking = np.flatnonzero(next_place < ends)
    while len(asking):
        wanted = objects[next_place[asking]]
        free = preferences.shared[wanted]
        given[asking[free]] = wanted[free]
        asking, wanted = asking[~free], wanted[~free]
        before = holder[wanted]
        np.minimum.at(holder, wanted, asking)
        after = holder[wanted]
        given[after] = wanted
        replaced = np.unique(before[(before != after) & (before < num)])
        given[replaced] = -1
        turned_away = np.concatenate([asking[after != asking], replaced])
        next_place[turned_away] += 1
        asking = np.sort(turned_away[next_place[turned_away] < ends[turned_away]])
    return given
