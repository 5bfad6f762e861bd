"""The merge: what several tiles saw of one object comes out once, and of two objects twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.overlaps import iou
from smalldet.geometry.tiles import interior_cuts

NAMES = ("car", "van")
Seen = tuple[int, list[float], float]  # tile, box, score


def seen(
    tiles: list[list[int]] | Tensor, found: list[Seen], labels: list[int] | None = None
) -> TileDetections:
    """Detections as a detector would hand them over; the scene ends where the tiles end."""
    windows = torch.as_tensor(tiles)
    boxes = torch.tensor([box for _, box, _ in found], dtype=torch.float32).reshape(-1, 4)
    tile = torch.tensor([t for t, _, _ in found], dtype=torch.long)
    width, height = (int(v) for v in windows[:, 2:].amax(dim=0))
    return TileDetections(
        boxes,
        torch.tensor([score for _, _, score in found]),
        torch.tensor(labels or [0] * len(found), dtype=torch.long),
        tile,
        interior_cuts(boxes, tile, windows, width, height),
        windows,
        NAMES,
    )


def rows(found: Detections) -> list[tuple[float, ...]]:
    return sorted(tuple(box) for box in found.boxes.tolist())


TWO = [[0, 0, 100, 100], [70, 0, 170, 100]]  # overlap 70..100
THREE = [[0, 0, 100, 100], [70, 0, 170, 100], [140, 0, 240, 100]]
FOUR = [[0, 0, 100, 100], [70, 0, 170, 100], [0, 70, 100, 170], [70, 70, 170, 170]]


def test_whole_beats_cut_even_where_the_cut_one_scores_higher() -> None:
    found = merge_tiles(seen(TWO, [(0, [60, 10, 90, 30], 0.6), (1, [70, 10, 90, 30], 0.9)]))
    assert rows(found) == [(60, 10, 90, 30)]
    assert found.scores.tolist() == pytest.approx([0.6])


def test_of_whole_boxes_the_strongest_stays_with_the_mean_of_their_scores() -> None:
    """A piece has no say in it."""
    whole: list[Seen] = [(0, [75, 10, 90, 30], 0.6), (1, [76, 10, 91, 30], 0.9)]
    assert rows(merge_tiles(seen(TWO, whole))) == [(76, 10, 91, 30)]
    assert merge_tiles(seen(TWO, whole)).scores.tolist() == pytest.approx([0.75])
    beside_a_piece: list[Seen] = [(0, [60, 10, 90, 30], 0.6), (1, [70, 10, 90, 30], 0.9)]
    assert merge_tiles(seen(TWO, beside_a_piece)).scores.tolist() == pytest.approx([0.6])


def test_pieces_give_their_enclosing_box_and_the_best_score() -> None:
    found = merge_tiles(seen(TWO, [(0, [20, 10, 100, 30], 0.6), (1, [70, 11, 150, 31], 0.9)]))
    assert rows(found) == [(20, 10, 150, 31)]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_a_false_alarm_beside_the_edge_does_not_stretch_a_box() -> None:
    """Tile 2 sees too little of the object to report it, and reports something else there."""
    pieces: list[Seen] = [(0, [60, 10, 100, 30], 0.9), (1, [70, 10, 146, 30], 0.8)]
    stray: Seen = (2, [140, 8, 150, 31], 0.05)
    found = merge_tiles(seen(THREE, [*pieces, stray]))
    assert rows(found) == [(60, 10, 146, 30)]


def test_an_object_cut_by_three_tiles_comes_out_once() -> None:
    pieces: list[Seen] = [
        (0, [20, 40, 100, 52], 0.5),
        (1, [70, 40, 170, 52], 0.4),
        (2, [140, 41, 200, 52], 0.7),
    ]
    found = merge_tiles(seen(THREE, pieces))
    assert rows(found) == [(20, 40, 200, 52)]


def test_a_sliver_joins_the_whole_although_their_iou_is_small() -> None:
    whole, sliver = [66.0, 10, 73, 40], [70.0, 11, 72, 40]
    assert iou(torch.tensor(whole), torch.tensor(sliver)) < 0.3
    assert rows(merge_tiles(seen(TWO, [(0, whole, 0.9), (1, sliver, 0.3)]))) == [tuple(whole)]


def test_a_sliver_of_few_pixels_joins_in_spite_of_jitter() -> None:
    """IoU of the parts is 1/4 here: for parts so thin, distance decides."""
    found = merge_tiles(seen(TWO, [(0, [50, 10, 74, 40], 0.9), (1, [70, 10, 71, 40], 0.3)]))
    assert rows(found) == [(50, 10, 74, 40)]
    strict = seen(TWO, [(0, [50, 10, 74, 40], 0.9), (1, [70, 10, 71, 40], 0.3)])
    assert len(merge_tiles(strict, tiny_px=0)) == 2


@pytest.mark.parametrize("side", [3, 5, 8, 14])
def test_neighbours_in_the_overlap_stay_two(side: int) -> None:
    left: list[float] = [72, 20, 72 + side, 20 + side]
    right: list[float] = [72, 22 + side, 72 + side, 22 + 2 * side]
    views: list[Seen] = [(0, left, 0.9), (0, right, 0.8), (1, left, 0.7), (1, right, 0.9)]
    found = merge_tiles(seen(TWO, views))
    assert rows(found) == sorted([tuple(left), tuple(right)])


def test_two_boxes_of_one_tile_never_join_however_alike() -> None:
    """A box of B that fits both joins the better one; the other one survives."""
    found = merge_tiles(
        seen(
            TWO,
            [(0, [75, 10, 95, 30], 0.9), (0, [78, 10, 97, 30], 0.8), (1, [79, 10, 97, 30], 0.5)],
        )
    )
    assert rows(found) == [(75, 10, 95, 30), (78, 10, 97, 30)]


def test_strongest_pairs_join_first_in_a_crowd() -> None:
    """Every box overlaps the next one over the threshold; the true pairs still find each other."""
    crowd = [[72.0 + 2 * k, 10, 86 + 2 * k, 30] for k in range(4)]
    shifted = [[x1 + 0.5, y1, x2 + 0.5, y2] for x1, y1, x2, y2 in crowd]
    found = merge_tiles(
        seen(
            TWO,
            [(0, b, 0.9 - k / 10) for k, b in enumerate(crowd)] + [(1, b, 0.1) for b in shifted],
        )
    )
    assert rows(found) == sorted(tuple(b) for b in crowd)


def test_a_false_alarm_takes_nobodys_place() -> None:
    """It lies closer to the strong box of tile 0 than that one's true partner in tile 1 does."""
    views: list[Seen] = [
        (0, [75, 10, 95, 30], 0.9),
        (1, [75, 10, 95, 30], 0.02),
        (1, [77, 10, 97, 30], 0.8),
    ]
    found = merge_tiles(seen(TWO, views))
    assert rows(found) == [(75, 10, 95, 30), (75, 10, 95, 30)]
    assert found.scores.tolist() == pytest.approx([0.85, 0.02])


def test_a_box_that_ends_short_of_the_edge_yields_to_one_that_reaches_beyond() -> None:
    """Tile 0 shows 26 px of the object; its box stops 4 px from the edge and scores high."""
    whole: Seen = (1, [74, 10, 130, 30], 0.6)
    found = merge_tiles(seen(TWO, [(0, [74, 10, 96, 30], 0.9), whole]))
    assert rows(found) == [(74, 10, 130, 30)]
    assert found.scores.tolist() == pytest.approx([0.6])


def test_a_box_that_ends_short_of_the_edge_is_a_piece_beside_cut_ones() -> None:
    """No tile sees all of a bus, and the box of one piece stops 4 px from the edge that cuts it."""
    pieces: list[Seen] = [
        (0, [60, 10, 96, 30], 0.9),
        (1, [70, 10, 170, 30], 0.6),
        (2, [140, 10, 180, 30], 0.7),
    ]
    found = merge_tiles(seen(THREE, pieces))
    assert rows(found) == [(60, 10, 180, 30)]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_two_boxes_that_reach_beyond_each_others_tile_are_pieces() -> None:
    views: list[Seen] = [(0, [40, 10, 95, 30], 0.6), (1, [75, 10, 130, 30], 0.9)]
    assert rows(merge_tiles(seen(TWO, views))) == [(40, 10, 130, 30)]


def test_four_tiles_that_meet_in_a_corner() -> None:
    inside = [80.0, 80, 90, 90]
    found = merge_tiles(seen(FOUR, [(t, inside, 0.5 + t / 10) for t in range(4)]))
    assert rows(found) == [tuple(inside)]
    assert found.scores.tolist() == pytest.approx([0.65])


def test_boxes_that_meet_outside_the_common_ground_take_no_part() -> None:
    """They overlap each other, but neither reaches into what both tiles see."""
    found = merge_tiles(seen(TWO, [(0, [40, 10, 69, 30], 0.9), (1, [65, 10, 69.5, 30], 0.8)]))
    assert len(found) == 2


def test_classes_stay_apart_unless_asked() -> None:
    boxes: list[Seen] = [(0, [75, 10, 90, 30], 0.6), (1, [75, 10, 91, 30], 0.9)]
    assert len(merge_tiles(seen(TWO, boxes, labels=[0, 1]))) == 2
    found = merge_tiles(seen(TWO, boxes, labels=[0, 1]), across_classes=True)
    assert rows(found) == [(75, 10, 91, 30)]
    assert found.named() == ["van"]


def test_across_classes_one_tile_suppresses_itself_too() -> None:
    boxes: list[Seen] = [(0, [10, 10, 30, 30], 0.6), (0, [10, 10, 30, 31], 0.9)]
    assert len(merge_tiles(seen(TWO, boxes, labels=[0, 1]))) == 2
    found = merge_tiles(seen(TWO, boxes, labels=[0, 1]), across_classes=True)
    assert found.named() == ["van"]


def test_without_overlap_nothing_is_stitched_and_a_warning_says_so() -> None:
    apart = [[0, 0, 100, 100], [100, 0, 200, 100]]
    pieces: list[Seen] = [(0, [80, 10, 100, 30], 0.6), (1, [100, 10, 120, 30], 0.9)]
    with pytest.warns(UserWarning, match="do not overlap"):
        assert len(merge_tiles(seen(apart, pieces))) == 2


def test_nothing_found_and_one_tile() -> None:
    assert len(merge_tiles(seen(TWO, []))) == 0
    one = seen(TWO[:1], [(0, [1, 1, 5, 5], 0.2), (0, [1, 1, 5, 5.5], 0.9)])
    assert merge_tiles(one).scores.tolist() == pytest.approx([0.9, 0.2]), "sorted, never joined"


def test_tiles_that_do_not_exist_and_thresholds_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"tiles 0\.\.2 of 2"):
        merge_tiles(
            TileDetections(
                torch.zeros(2, 4),
                torch.zeros(2),
                torch.zeros(2, dtype=torch.long),
                torch.tensor([0, 2]),
                torch.zeros(2, 4, dtype=torch.bool),
                torch.tensor(TWO),
                NAMES,
            )
        )
    with pytest.raises(ValueError, match="iou_threshold"):
        merge_tiles(seen(TWO, []), iou_threshold=1.0)
