"""Windows: what is an object in a tile, and what is neither object nor background."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalldet.data.index import ImageRecord
from smalldet.data.parts_in_view import View
from smalldet.data.windows import labels_in, num_tiles, window_anywhere, window_around


def record(boxes: list[list[float]], **fields) -> ImageRecord:
    num = len(boxes)
    defaults = {
        "labels": np.zeros(num, dtype=np.int64),
        "ignore": np.zeros(num, dtype=bool),
        "difficult": np.zeros(num, dtype=bool),
    }
    return ImageRecord(
        path=Path("a.png"),
        width=200,
        height=100,
        boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
        image_id=0,
        **{**defaults, **fields},
    )


@pytest.mark.parametrize(("right", "is_object"), [(54.0, False), (56.0, True)])
def test_too_little_of_an_object_is_mute(right: float, is_object: bool):
    """Half of a 10 px object must be seen; the window begins at x = 50."""
    target = labels_in(
        record([[right - 10, 20, right, 30]]),
        View((50, 0, 100, 50), (50, 50)),
        2,
        min_visible_frac=0.5,
    )
    assert len(target.boxes) == int(is_object)
    assert len(target.mute_boxes) == int(not is_object)
    box = (target.boxes if is_object else target.mute_boxes)[0]
    assert box.tolist() == [0, 20, right - 50, 30]


def test_objects_outside_leave_no_trace():
    target = labels_in(
        record([[0, 0, 50, 50]]), View((50, 0, 100, 50), (50, 50)), 2, min_visible_frac=0.0
    )
    assert len(target.boxes) == len(target.mute_boxes) == 0
    assert target.mute_classes.shape == (0, 2)


def test_ignore_and_difficult_are_mute_for_their_class():
    both = record(
        [[10, 10, 20, 20], [30, 10, 40, 20]],
        labels=np.array([1, 0]),
        ignore=np.array([True, False]),
        difficult=np.array([False, True]),
    )
    whole = (0, 0, 200, 100)
    target = labels_in(both, View(whole, (200, 100)), 2, min_visible_frac=0.3)
    assert target.labels.tolist() == [0]
    assert target.mute_boxes.tolist() == [[10, 10, 20, 20]]
    assert target.mute_classes.tolist() == [[False, True]]
    target = labels_in(both, View(whole, (200, 100)), 2, min_visible_frac=0.3, mute_difficult=True)
    assert len(target.boxes) == 0
    assert target.mute_classes.tolist() == [[False, True], [True, False]]


def test_an_object_under_a_pixel_is_mute():
    target = labels_in(
        record([[10, 10, 13, 30]]), View((0, 0, 200, 100), (50, 25)), 1, min_visible_frac=0.3
    )
    assert len(target.boxes) == 0
    np.testing.assert_allclose(target.mute_boxes, [[2.5, 2.5, 3.25, 7.5]])


def test_unknown_classes_are_mute_where_the_picture_is():
    """Not over the padding: there is truly nothing."""
    target = labels_in(
        record([], unknown=frozenset({1, 2})), View((150, -50, 250, 50), (200, 200)), 3,
        min_visible_frac=0.3,
    )  # fmt: skip
    assert target.mute_boxes.tolist() == [[0, 100, 100, 200]]
    assert target.mute_classes.tolist() == [[False, True, True]]


@settings(deadline=None)
@given(
    x=st.integers(0, 190), y=st.integers(0, 90), width=st.integers(1, 400),
    height=st.integers(1, 400), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_windows_hold_their_object_and_keep_to_the_picture(
    x: int, y: int, width: int, height: int, seed: int
):
    """The centre is inside; a window leaves the picture only if it is larger, and then holds it."""
    picture = record([[x, y, x + 10, y + 10]])
    rng = np.random.default_rng(seed)
    around = window_around(picture, 0, (width, height), rng)
    assert around[0] - 1 <= x + 5 <= around[2] + 1
    assert around[1] - 1 <= y + 5 <= around[3] + 1
    for x0, y0, x1, y1 in (around, window_anywhere(picture, (width, height), rng)):
        assert (x1 - x0, y1 - y0) == (width, height)
        for low, high, extent in ((x0, x1, 200), (y0, y1, 100)):
            inside, holds = low >= 0 and high <= extent, low <= 0 and high >= extent
            assert inside or holds


def test_an_emptier_window_is_preferred():
    """Objects fill the left half; windows drawn evenly would miss it half of the time."""
    crowded = record([[x, y, x + 4, y + 4] for x in range(0, 100, 5) for y in range(0, 100, 5)])
    rng = np.random.default_rng(0)
    empty = [window_anywhere(crowded, (40, 40), rng)[0] >= 98 for _ in range(300)]
    assert np.mean(empty) > 0.75


def test_tiles_that_cover_a_picture():
    assert num_tiles(record([]), 100) == 2
    assert num_tiles(record([]), 99) == 6
