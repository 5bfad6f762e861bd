"""The borders of the size ranges."""

import numpy as np

from smalldet.evaluation.sizes import (
    SIZE_RANGES_PX,
    closed_area_range,
    counts_by_size,
    rounded_areas,
)


def test_every_area_is_in_exactly_one_range() -> None:
    areas = np.array([0.0, 63.999, 64.0, 255.999, 256.0, 1023.0, 1024.0, 9215.9, 9216.0, 1e9])
    closed = [closed_area_range(*sides) for sides in SIZE_RANGES_PX.values()]
    within = [[low <= area <= high for low, high in closed] for area in areas.tolist()]
    assert [row.index(True) for row in within] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(sum(row) == 1 for row in within)
    assert counts_by_size(areas) == {
        "all": 10, "very_tiny": 2, "tiny": 2, "small": 2, "medium": 2, "large": 2
    }  # fmt: skip


def test_an_object_of_8_px_is_tiny_wherever_it_stands() -> None:
    corners = np.random.default_rng(0).uniform(0, 30_000, (1000, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + np.float32(8)], axis=1).astype(np.float64)
    assert (boxes[:, 2] - boxes[:, 0] != 8).any()  # float32 alone would not do
    assert (rounded_areas(boxes) == 64).all()


def test_a_box_turned_inside_out_has_no_area() -> None:
    assert rounded_areas(np.array([[10.0, 10.0, 5.0, 5.0]])).tolist() == [0.0]
