"""Worlds of objects at two dates, of which it is known what became of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from smalldet.changing.plane import Objects
from tests.inference.conftest import make_result as make_result


@dataclass(frozen=True, eq=False)
class World:
    """Two dates.

    Args:
        old: what a detector found at the first.
        new: what it found at the second.
        old_id: (N,) which real object each is; -1 for a false alarm.
        new_id: (M,) the same.
        there: the real objects of each date.
    """

    old: Objects
    new: Objects
    old_id: NDArray[np.int64]
    new_id: NDArray[np.int64]
    there: tuple[NDArray[np.int64], NDArray[np.int64]]


@pytest.fixture
def objects_at() -> Callable[..., Objects]:
    """Makes squares of a side at places (N, 2) in metres."""

    def made(
        places: object, labels: object = 0, scores: object = 1.0, side_m: float = 4.0
    ) -> Objects:
        xy = np.asarray(places, dtype=np.float64).reshape(-1, 2)
        num, half = len(xy), side_m / 2
        shapes = shapely.box(*(xy - half).T, *(xy + half).T)
        return Objects(
            np.asarray(shapes, dtype=object).reshape(-1),
            xy,
            np.full(num, side_m),
            np.full(num, np.nan),
            np.full(num, np.nan),
            np.broadcast_to(np.asarray(labels, dtype=np.int64), num).copy(),
            np.broadcast_to(np.asarray(scores, dtype=np.float64), num).copy(),
            np.arange(1, num + 1).astype(str).astype(object),
            np.full(num, "a.tif", dtype=object),
        )

    return made


@pytest.fixture
def make_world(objects_at: Callable[..., Objects]) -> Callable[..., World]:
    """Draws two dates of a known detector, whose scores tell the truth.

    Of detections of a score s between 0.2 and 1, a share of s is real: the density of real ones
    rises with s, that of false alarms falls with it.
    """

    def drawn(
        seed: int,
        *,
        num: int = 1500,
        gone: float = 0.15,
        fresh: float = 0.2,
        recall: float = 0.775,
        noise_m: float = 0.6,
        alarms: bool = True,
        extent_m: float = 700.0,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> World:
        rng = np.random.default_rng(seed)
        places = rng.uniform(0, extent_m, (num + int(num * fresh), 2))
        first = np.arange(num)
        second = np.concatenate([first[rng.random(num) >= gone], np.arange(num, len(places))])
        dates: list[tuple[Objects, NDArray[np.int64]]] = []
        for there, moved in ((first, (0.0, 0.0)), (second, shift)):
            found = there[rng.random(len(there)) < recall]
            num_false = round(len(found) * 0.32 / 0.48) if alarms else 0
            xy = places[found] + rng.normal(0, noise_m / np.sqrt(2), (len(found), 2))
            xy = np.concatenate([xy, rng.uniform(0, extent_m, (num_false, 2))]) + moved
            real = np.sqrt(0.04 + 0.96 * rng.random(len(found)))
            false = 1 - np.sqrt(0.64 * rng.random(num_false))
            scores = np.concatenate([real, false]) if alarms else np.ones(len(found))
            ids = np.concatenate([found, np.full(num_false, -1)])
            dates.append((objects_at(xy, scores=scores), ids))
        (old, old_id), (new, new_id) = dates
        return World(old, new, old_id, new_id, (first, second))

    return drawn
