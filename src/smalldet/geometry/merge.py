"""The merge: detections of overlapping tiles become one set of detections of the scene."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from smalldet.columns import map_columns, take
from smalldet.detections import Detections, TileDetections, coordinates, order_by_strength
from smalldet.geometry.clusters import constrained_clusters
from smalldet.geometry.merge_oriented import overlap_on_ground
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.geometry.overlaps import iou, normalized_wasserstein
from smalldet.geometry.pairs import alike_pairs, intersecting_pairs
from smalldet.geometry.representatives import (
    Representatives,
    choose_representatives,
    merged_boxes,
    merged_masks,
    merged_rboxes,
)
from smalldet.geometry.rotated import rotated_iou
from smalldet.geometry.shared_ground import Views, shared_views
from smalldet.geometry.suppression import unsuppressed


def merge_tiles(
    dets: TileDetections,
    *,
    iou_threshold: float = 0.3,
    across_classes: bool = False,
    tiny_px: float = 8.0,
) -> Detections:
    """Join what several tiles saw of the same object.

    Two tiles A and B see the same ground in R = A & B, so boxes a of A and b of B are compared
    there alone, by the overlap of a & R with b & R: a sliver of an object is measured against the
    same sliver of the whole. Pairs over the threshold join, strongest first, into clusters that
    hold at most one box of each tile: two boxes of one tile are two objects, and close neighbours
    survive. A pair's strength is its overlap times the score of its weaker box, so that a false
    alarm that happens to lie closer does not take a partner's place.

    A cluster with members that show the whole object gives the strongest of those, with the mean
    of their scores: every further look is a further chance for a false alarm, and the strongest of
    several scores would lift it over the objects that were looked at once. A cluster whose members
    are all cut by interior tile edges gives their enclosing box, with the strongest one's score and
    class; a false alarm beside an edge, which scores next to nothing, does not stretch it. Oriented
    boxes are cut, compared and enclosed as such: the enclosing box is then the smallest oriented
    one.

    The result is a function of the set of boxes: neither their order nor that of the tiles matters.

    Args:
        dets: detections of the tiles, suppressed within each tile by the detector.
        iou_threshold: pairs join over this overlap, in (0, 1). Low is safe, as two boxes of one
            tile never join: with 1 px of jitter, 8 px objects 2 px apart and a tenth of them missed
            in each tile, 0.3 leaves 0.1 % of doubles and loses none, 0.5 leaves 9 %.
        across_classes: whether boxes of different classes join too, under the strongest one's
            class; boxes of one tile then suppress each other across classes by the same threshold.
        tiny_px: parts thinner than this are compared by Wasserstein distance, see `_alike`.

    Returns:
        Detections in scene pixels, strongest first, ties by coordinates.

    Raises:
        ValueError: the threshold is out of range or a tile row does not exist.

    Warns:
        UserWarning: tiles touch, and no two of them overlap: nothing can be joined.
    """
    _check(dets, iou_threshold, tiny_px)
    device = dets.boxes.device
    order = _canonical_order(dets)
    ranked = map_columns(take(dets, order), Tensor.cpu)
    scores, labels, tile = ranked.scores, ranked.labels, ranked.tile
    exact = ranked.boxes.double()
    rboxes = None if ranked.rboxes is None else ranked.rboxes.double()
    kept = torch.ones(len(ranked), dtype=torch.bool)
    if across_classes:
        kept = _unsuppressed_in_tiles(exact, rboxes, tile, iou_threshold)

    tiles = dets.tiles.cpu().double()
    kinds = None if across_classes else labels
    views = shared_views(exact, tile, tiles, kept)
    first, second, overlap = _joins(views, rboxes, kinds, tile, iou_threshold, tiny_px)
    # Rows are ranks: the second box of a pair is the weaker one.
    cluster = constrained_clusters(first, second, overlap * scores[second], tile)
    joined = torch.nonzero(cluster[first] == cluster[second]).flatten()
    whole = _seen_whole(ranked.cut, exact, tiles[tile], first[joined], second[joined])
    representatives = choose_representatives(scores, whole, torch.nonzero(kept).squeeze(1), cluster)
    return _merged(ranked.as_detections(), representatives).sorted_by_score().to(device)


def _merged(ranked: Detections, representatives: Representatives) -> Detections:
    """One detection for each cluster: its winner, with the box, score and mask of the cluster."""
    if ranked.rboxes is None:
        boxes, rboxes = merged_boxes(ranked.boxes, representatives), None
    else:
        rboxes = canonical(merged_rboxes(ranked.rboxes.double(), representatives).float())
        boxes = enclosing_boxes(rboxes)
    masks = None
    if ranked.masks is not None:
        masks = merged_masks(ranked.masks, ranked.boxes, boxes, representatives)
    winners = ranked[representatives.winner]
    return replace(winners, boxes=boxes, scores=representatives.scores, rboxes=rboxes, masks=masks)


def _check(dets: TileDetections, iou_threshold: float, tiny_px: float) -> None:
    if not 0 < iou_threshold < 1:
        raise ValueError(f"iou_threshold must lie between 0 and 1, not {iou_threshold}")
    if tiny_px < 0:
        raise ValueError(f"tiny_px must not be negative, as {tiny_px} is")
    if len(dets):
        low, high = (int(row) for row in torch.aminmax(dets.tile))
        if low < 0 or high >= len(dets.tiles):
            raise ValueError(f"detections name tiles {low}..{high} of {len(dets.tiles)} tiles")


def _canonical_order(dets: TileDetections) -> Tensor:
    """Strongest first, ties by coordinates, class and tile: after it, a row number is a rank."""
    windows = dets.tiles.to(dets.tile.device)[dets.tile]
    return order_by_strength(dets.scores, coordinates(dets), dets.labels, *windows.unbind(1))


def _joins(
    views: Views,
    rboxes: Tensor | None,
    kinds: Tensor | None,
    tile: Tensor,
    iou_threshold: float,
    tiny_px: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs of boxes of two tiles that look alike on the ground that both tiles see.

    Args:
        views: parts of boxes.
        rboxes: (N, 5), the oriented boxes that are meant, or None.
        kinds: (N,) int64, boxes of different kinds do not join; None for one kind.
        tile: (N,) int64.
        iou_threshold, tiny_px: as in `_alike`.

    Returns:
        first, second: (P,) int64, rows of boxes, first < second.
        overlap: (P,), above the threshold.
    """
    group = views.ground
    if kinds is not None and len(kinds):
        group = group * (int(kinds.max()) + 1) + kinds[views.row]
    owner = tile[views.row]
    if rboxes is None:
        a, b = alike_pairs(views.part, iou_threshold, group, owner, least_px=tiny_px)
    else:
        a, b = intersecting_pairs(views.part, group, owner)
    first, second = views.row[a], views.row[b]
    if rboxes is None:
        overlap = _alike(views.part[a], views.part[b], iou_threshold, tiny_px)
    else:
        scale_px = _distance_scale_px(iou_threshold, tiny_px)
        overlap = overlap_on_ground(rboxes[first], rboxes[second], views.window[a], scale_px)
    join = torch.nonzero(overlap > iou_threshold).flatten()
    return first[join], second[join], overlap[join]


def _alike(a: Tensor, b: Tensor, iou_threshold: float, tiny_px: float) -> Tensor:
    """(P,) how alike two parts (P, 4) and (P, 4) are.

    It is their IoU, or the normalized Wasserstein distance where that is higher. One pixel of
    jitter ruins the IoU of parts a few pixels thin, but moves them little. The scale is such that
    both measures cross the threshold at once for a square of `tiny_px` moved sideways, so that
    larger parts are compared by IoU in effect and thinner ones by distance. Parts that do not meet
    are not alike by either.
    """
    alike = iou(a, b)
    if tiny_px == 0:
        return alike
    scale_px = _distance_scale_px(iou_threshold, tiny_px)
    return torch.where(alike > 0, torch.maximum(alike, normalized_wasserstein(a, b, scale_px)), 0)


def _distance_scale_px(iou_threshold: float, tiny_px: float) -> float:
    shift_px = tiny_px * (1 - iou_threshold) / (1 + iou_threshold)
    return shift_px / -math.log(iou_threshold)


def _unsuppressed_in_tiles(
    boxes: Tensor, rboxes: Tensor | None, tile: Tensor, iou_threshold: float
) -> Tensor:
    """(N,) bool, what suppression within each tile keeps; rows are ordered by strength."""
    if rboxes is None:
        stronger, weaker = alike_pairs(boxes, iou_threshold, tile)
        overlap = iou(boxes[stronger], boxes[weaker])
    else:
        stronger, weaker = intersecting_pairs(boxes, tile)
        overlap = rotated_iou(rboxes[stronger], rboxes[weaker])
    too_alike = overlap > iou_threshold
    return unsuppressed(len(boxes), stronger[too_alike], weaker[too_alike])


def _seen_whole(
    cut: Tensor, boxes: Tensor, windows: Tensor, first: Tensor, second: Tensor
) -> Tensor:
    """(N,) bool, boxes that show all of their object.

    A detector's box of a cut object often ends short of the edge that cuts it. What gives it away
    is a partner that reaches out of the box's tile: there is more of the object than that tile
    sees. On streets with buses of 100 to 290 px in tiles of 256 px it makes 8 points of their AP.

    Args:
        cut: (N, 4) bool, interior edges that each box touches.
        boxes: (N, 4) xyxy.
        windows: (N, 4) xyxy, the tile of each box.
        first: (P,) int64, rows of joined boxes.
        second: (P,) int64, their partners.
    """
    own, partner = torch.cat((first, second)), torch.cat((second, first))
    window, other = windows[own], boxes[partner]
    beyond = torch.cat((other[:, :2] < window[:, :2], other[:, 2:] > window[:, 2:]), dim=1)
    whole = ~cut.any(dim=1)
    whole[own[beyond.any(dim=1)]] = False
    return whole
