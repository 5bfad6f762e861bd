"""Two dates side by side: what stayed, moved, appeared, is gone, or was not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.pairs import Pairs, near_pairs, nearest_first
from smalldet.changing.plane import Objects
from smalldet.columns import cat

Flags = NDArray[np.bool_]
Seen = Callable[[Objects], Flags]
"""(N,) bool, which objects lie on ground that a date has seen."""


class Status(StrEnum):
    """What became of an object between two dates."""

    STAYED = "stayed"
    MOVED = "moved"
    APPEARED = "appeared"
    GONE = "gone"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, eq=False)
class Compared:
    """What became of the objects of two dates.

    Args:
        old: N objects of the first.
        new: M objects of the second, on the first one's ground.
        stayed: pairs of one object.
        moved: pairs of what is gone here and new near by.
        could_have_moved: all such pairs, of which each object is in one of `moved` at most.
        old_seen: (N,) bool, the second date has seen its ground.
        new_seen: (M,) bool, the first date has seen its ground.
    """

    old: Objects
    new: Objects
    stayed: Pairs
    moved: Pairs
    could_have_moved: Pairs
    old_seen: Flags
    new_seen: Flags

    @property
    def pairs(self) -> Pairs:
        """Those that stayed, then those that moved."""
        return cat([self.stayed, self.moved])

    def old_status(self) -> NDArray[np.str_]:
        """(N,) `Status` of each old object."""
        status = np.where(self.old_seen, Status.GONE, Status.NOT_SEEN).astype("U10")
        status[self.stayed.old], status[self.moved.old] = Status.STAYED, Status.MOVED
        return status

    def new_status(self) -> NDArray[np.str_]:
        """(M,) `Status` of each new object."""
        status = np.where(self.new_seen, Status.APPEARED, Status.NOT_SEEN).astype("U10")
        status[self.stayed.new], status[self.moved.new] = Status.STAYED, Status.MOVED
        return status


def compare(
    old: Objects,
    new: Objects,
    seen: tuple[Seen, Seen],
    tolerance_m: float | None = None,
    moved_within_m: float | None = None,
) -> Compared:
    """Pair the objects of two dates, and say what became of each.

    What has no partner on ground that the other date did not see is neither gone nor new, and can
    not have moved either: nobody knows that it was not there.

    Args:
        old: of the first date.
        new: of the second, on the first one's ground.
        seen: by each of the dates.
        tolerance_m: how far apart one object can be found; half of the mean side if None.
        moved_within_m: how far one can have moved; none has if None.
    """
    labels = (old.labels, new.labels)
    reach = reaches(old, tolerance_m), reaches(new, tolerance_m)
    stayed = nearest_first(near_pairs(old.xy, new.xy, labels, reach))
    old_left, new_left = np.ones(len(old), np.bool_), np.ones(len(new), np.bool_)
    old_left[stayed.old], new_left[stayed.new] = False, False
    old_seen, new_seen = seen[1](old) | ~old_left, seen[0](new) | ~new_left
    could = stayed[np.zeros(len(stayed), np.bool_)]
    if moved_within_m is not None:
        left = (np.flatnonzero(old_left & old_seen), np.flatnonzero(new_left & new_seen))
        far = [np.full(len(rows), moved_within_m) for rows in left]
        found = near_pairs(
            old.xy[left[0]],
            new.xy[left[1]],
            (old.labels[left[0]], new.labels[left[1]]),
            (far[0], far[1]),
        )
        could = Pairs(left[0][found.old], left[1][found.new], found.distance_m)
    return Compared(old, new, stayed, nearest_first(could), could, old_seen, new_seen)


def reaches(objects: Objects, tolerance_m: float | None) -> NDArray[np.float64]:
    """(N,) metres; two objects can be one where their distance is at most the mean of theirs.

    Raises:
        ValueError: no tolerance is given, and sizes are not known.
    """
    if tolerance_m is not None:
        return np.full(len(objects), tolerance_m)
    if len(objects) and not np.isfinite(objects.side_m).all():
        raise ValueError(
            "tolerance: points have no size that tells how near two must be to be one; give "
            "--tolerance in metres"
        )
    return objects.side_m / 2
