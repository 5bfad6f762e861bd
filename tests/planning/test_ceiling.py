"""The ceiling of recall: what tiles, suppression and the merge take from a perfect detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smalldet.data.index import ImageRecord, Index
from smalldet.planning.ceiling import recall_ceilings


def index_of(boxes: list[list[float]], side: int = 400) -> Index:
    own = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    none = np.zeros(len(own), dtype=bool)
    record = ImageRecord(
        Path("a.png"), side, side, own, np.zeros(len(own), dtype=np.int64), none, none, 1
    )
    return Index(("car",), (record,))


def test_every_object_is_found_whatever_tile_edge_it_lies_on() -> None:
    """The merge puts objects on seams together: a lattice over all edges of all grids."""
    cells = [(x, y) for x in range(5, 380, 23) for y in range(5, 380, 23)]
    index = index_of([[x, y, x + 12, y + 12] for x, y in cells])
    for ceiling in recall_ceilings(index, [(128, 0.2), (400, 0.2), (64, 0.3)], 0.5):
        assert ceiling.found.all()
        np.testing.assert_allclose(ceiling.sides, 12)
    assert len(cells) == 289


def test_what_no_tile_shows_whole_is_counted() -> None:
    index = index_of([[10, 10, 210, 210], [300, 300, 310, 310]])
    small, large = recall_ceilings(index, [(128, 0.2), (400, 0.2)], 0.5)
    assert small.whole.tolist() == [False, True] and large.whole.tolist() == [True, True]
    assert small.num_tiles == 16 and large.num_tiles == 1


def test_an_object_that_suppression_takes_from_its_twin_is_lost() -> None:
    index = index_of([[10, 10, 30, 30], [12, 10, 32, 30], [100, 100, 120, 120]])
    (strict,) = recall_ceilings(index, [(400, 0.2)], 0.5)
    (loose,) = recall_ceilings(index, [(400, 0.2)], 0.9)
    assert strict.found.sum() == 2 and loose.found.all()


def test_a_picture_without_objects_has_tiles_only() -> None:
    (ceiling,) = recall_ceilings(index_of([]), [(128, 0.2)], 0.5)
    assert len(ceiling.found) == 0 and ceiling.num_tiles == 16
