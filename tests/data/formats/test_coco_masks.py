"""Outlines of COCO become grids: polygons, run-length codes, and what is neither."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as peer

from smalldet.data.formats.coco_masks import grids
from smalldet.data.index import MASK_PX

BOX = np.array([[10.0, 20.0, 30.0, 60.0]], dtype=np.float32)


def grid(segmentation) -> np.ndarray:
    packed = grids([{"id": 7, "segmentation": segmentation}], BOX)
    return np.unpackbits(packed[0]).reshape(MASK_PX, MASK_PX).astype(bool)


def test_a_polygon_fills_its_part_of_the_box() -> None:
    left_half = grid([[10, 20, 20, 20, 20, 60, 10, 60]])
    assert left_half[:, : MASK_PX // 2].mean() > 0.97
    assert left_half[:, MASK_PX // 2 + 1 :].mean() == 0
    triangle = grid([[10, 20, 30, 60, 10, 60]])
    assert abs(triangle.mean() - 0.5) < 0.02


def text_code(picture: np.ndarray) -> str:
    """pycocotools' compressed run lengths."""
    counts = peer.encode(picture)["counts"]
    assert isinstance(counts, bytes)
    return counts.decode()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_run_length_code_is_read_as_pycocotools_writes_it(compressed: bool) -> None:
    picture = np.zeros((80, 50), dtype=np.uint8, order="F")
    picture[20:40, 10:30] = 1  # the upper half of the box
    if compressed:
        runs = text_code(picture)
    else:
        flat = picture.ravel(order="F")
        changes = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.array([0, *changes.tolist(), len(flat)])).tolist()
    upper = grid({"size": [80, 50], "counts": runs})
    assert upper[: MASK_PX // 2].all() and not upper[MASK_PX // 2 :].any()


@given(st.lists(st.booleans(), min_size=4, max_size=400))
def test_every_code_gives_its_pixels_back(pixels) -> None:
    """A picture of one column: each cell of the grid is the pixel under its middle."""
    picture = np.asfortranarray(np.array(pixels, dtype=np.uint8)[:, None])
    box = np.array([[0, 0, 1, len(pixels)]], dtype=np.float32)
    code = {"size": [len(pixels), 1], "counts": text_code(picture)}
    packed = grids([{"id": 1, "segmentation": code}], box)
    cells = np.unpackbits(packed[0]).reshape(MASK_PX, MASK_PX)
    rows = ((np.arange(MASK_PX) + 0.5) / MASK_PX * len(pixels)).astype(np.int64)
    assert (cells == picture[rows]).all()


def test_no_outline_sets_no_bit() -> None:
    assert not grid([]).any()


@pytest.mark.parametrize(
    "wrong",
    [
        [[1, 2, 3]],
        {"size": [80, 50], "counts": [3]},
        {"size": [80, 50], "counts": [3, 4000]},
        {"size": [80, 50], "counts": [-1, 4001]},
        {"size": [80, 50], "counts": "203"},
        {"size": [80, 50], "counts": "~"},
        {"size": [0, 0], "counts": []},
        {"counts": [3]},
        "circle",
    ],
)
def test_what_is_no_outline_is_refused_with_its_annotation(wrong) -> None:
    with pytest.raises(ValueError, match="annotation 7: its segmentation"):
        grid(wrong)
