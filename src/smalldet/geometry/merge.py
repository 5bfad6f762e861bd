"""The merge: detections of overlapping tiles become one set of detections of the scene."""

# torch types some methods only in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from smalldet.detections import Detections, TileDetections, order_by_strength
from smalldet.geometry.clusters import constrained_clusters
from smalldet.geometry.overlaps import iou, normalized_wasserstein
from smalldet.geometry.pairs import intersecting_pairs
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
    survive. A cluster with members that no interior tile edge cuts gives the strongest of those;
    one whose members are all cut gives their enclosing box, with the strongest one's score and
    class.

    The result is a function of the set of boxes: neither their order nor that of the tiles matters.

    Args:
        dets: detections of the tiles, suppressed within each tile by the detector.
        iou_threshold: pairs join over this overlap, in (0, 1). Low is safe, as two boxes of one
            tile never join: with 1 px of jitter, 8 px objects 2 px apart and a tenth of them missed
            in each tile, 0.3 leaves 0.1 % of doubles and loses none, 0.5 leaves 9 %.
        across_classes: whether boxes of different classes join too, under the strongest one's
            class; boxes of one tile then suppress each other across classes by the same threshold.
        tiny_px: parts thinner than this are compared by Wasserstein distance, see `_overlap`.

    Returns:
        Detections in scene pixels, strongest first, ties by coordinates.

    Raises:
        ValueError: the threshold is out of range or a tile row does not exist.

    Warns:
        UserWarning: several tiles, and no two of them overlap: nothing can be joined.
    """
    _check(dets, iou_threshold, tiny_px)
    tiles = dets.tiles.cpu().double()
    core = _sole_ground(tiles)
    device = dets.boxes.device
    order = _canonical_order(dets)
    boxes, scores, labels, tile = (
        t[order].cpu() for t in (dets.boxes, dets.scores, dets.labels, dets.tile)
    )
    whole = ~dets.cut[order].cpu().any(dim=1)
    near = torch.arange(len(boxes)) if across_classes else _outside(boxes, core[tile])
    first, second = (near[rows] for rows in intersecting_pairs(boxes[near]))

    exact = boxes.double()
    kept = torch.ones(len(boxes), dtype=torch.bool)
    if across_classes:
        one_tile = tile[first] == tile[second]
        stronger, weaker = first[one_tile], second[one_tile]
        too_alike = iou(exact[stronger], exact[weaker]) > iou_threshold
        kept = unsuppressed(len(boxes), stronger[too_alike], weaker[too_alike])
    meet = (tile[first] != tile[second]) & kept[first] & kept[second]
    if not across_classes:
        meet &= labels[first] == labels[second]
    first, second = first[meet], second[meet]

    overlap = _overlap(exact, first, second, tile, tiles, iou_threshold, tiny_px)
    join = overlap > iou_threshold
    cluster = constrained_clusters(first[join], second[join], overlap[join], tile)
    members = torch.nonzero(kept).squeeze(1)
    winner, merged = _stand_for(boxes[members], whole[members], cluster[members])
    winner = members[winner]
    found = Detections(merged, scores[winner], labels[winner], dets.class_names)
    by_label = torch.argsort(found.labels, stable=True)
    return found[by_label].sorted_by_score().to(device)


def _check(dets: TileDetections, iou_threshold: float, tiny_px: float) -> None:
    if not 0 < iou_threshold < 1:
        raise ValueError(f"iou_threshold must lie between 0 and 1, not {iou_threshold}")
    if tiny_px < 0:
        raise ValueError(f"tiny_px must not be negative, as {tiny_px} is")
    if len(dets):
        low, high = (int(row) for row in torch.aminmax(dets.tile))
        if low < 0 or high >= len(dets.tiles):
            raise ValueError(f"detections name tiles {low}..{high} of {len(dets.tiles)} tiles")


def _sole_ground(tiles: Tensor) -> Tensor:
    """(T, 4) xyxy, a part of each tile that no other tile sees; may be empty."""
    a, b = intersecting_pairs(tiles)
    if len(tiles) > 1 and len(a) == 0:
        warnings.warn(
            "tiles do not overlap: objects on their borders come out in pieces; "
            "ask for an overlap_frac above 0",
            UserWarning,
            stacklevel=3,
        )
    own, other = torch.cat((a, b)), torch.cat((b, a))
    mine, theirs = tiles[own], tiles[other]
    # One cut of each pair is enough: on the side where the other tile reaches out of this one.
    reaches_out = torch.cat((theirs[:, :2] < mine[:, :2], theirs[:, 2:] > mine[:, 2:]), dim=1)[
        :, [0, 2, 1, 3]
    ]
    side = reaches_out.to(torch.uint8).argmax(dim=1)  # left, right, top, bottom
    core = tiles.clone()
    for k, (column, edge, how) in enumerate(
        ((0, 2, "amax"), (2, 0, "amin"), (1, 3, "amax"), (3, 1, "amin"))
    ):
        cut = side == k
        core[:, column].scatter_reduce_(0, own[cut], theirs[cut, edge], how)
    return core


def _outside(boxes: Tensor, cores: Tensor) -> Tensor:
    """Rows of the boxes that reach out of the part of their tile that no other tile sees."""
    beyond = torch.cat((boxes[:, :2] < cores[:, :2], boxes[:, 2:] > cores[:, 2:]), dim=1)
    return torch.nonzero(beyond.any(dim=1)).flatten()


def _canonical_order(dets: TileDetections) -> Tensor:
    """Strongest first, ties by coordinates, class and tile: after it, a row number is a rank."""
    windows = dets.tiles.to(dets.tile.device)[dets.tile]
    order = torch.arange(len(dets), device=dets.boxes.device)
    for key in (*windows.unbind(1), dets.labels):
        order = order[torch.argsort(key[order], stable=True)]
    return order[order_by_strength(dets.scores[order], dets.boxes[order])]


def _overlap(
    boxes: Tensor,
    first: Tensor,
    second: Tensor,
    tile: Tensor,
    tiles: Tensor,
    iou_threshold: float,
    tiny_px: float,
) -> Tensor:
    """(P,) how alike the boxes of each pair are on the ground that both their tiles see.

    It is the IoU of their parts there, or the normalized Wasserstein distance where that is higher.
    One pixel of jitter ruins the IoU of parts a few pixels thin, but moves them little. The scale
    is such that both measures cross the threshold at once for a square of `tiny_px` moved
    sideways, so that larger parts are compared by IoU in effect and thinner ones by distance.
    Parts that do not meet are not alike by either.
    """
    a_tile, b_tile = tiles[tile[first]], tiles[tile[second]]
    low = torch.maximum(a_tile[:, :2], b_tile[:, :2])
    high = torch.minimum(a_tile[:, 2:], b_tile[:, 2:])
    a, b = _clipped(boxes[first], low, high), _clipped(boxes[second], low, high)
    alike = iou(a, b)
    if tiny_px == 0:
        return alike
    shift_px = tiny_px * (1 - iou_threshold) / (1 + iou_threshold)
    scale_px = shift_px / -math.log(iou_threshold)
    return torch.where(alike > 0, torch.maximum(alike, normalized_wasserstein(a, b, scale_px)), 0)


def _clipped(boxes: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.cat((boxes[:, :2].clamp(low, high), boxes[:, 2:].clamp(low, high)), dim=1)


def _stand_for(boxes: Tensor, whole: Tensor, cluster: Tensor) -> tuple[Tensor, Tensor]:
    """The row that stands for each cluster, and its box: the best whole one, else all enclosed."""
    names, cluster = torch.unique(cluster, return_inverse=True)
    num, rank = len(names), torch.arange(len(boxes))
    nobody = torch.full((num,), len(boxes))
    best = nobody.scatter_reduce(0, cluster, rank, "amin")
    best_whole = nobody.scatter_reduce(0, cluster[whole], rank[whole], "amin")
    has_whole = best_whole < len(boxes)
    winner = torch.where(has_whole, best_whole, best)
    column = cluster[:, None].expand(-1, 2)
    low = boxes[winner, :2].scatter_reduce(0, column, boxes[:, :2], "amin")
    high = boxes[winner, 2:].scatter_reduce(0, column, boxes[:, 2:], "amax")
    enclosing = torch.cat((low, high), dim=1)
    return winner, torch.where(has_whole[:, None], boxes[winner], enclosing)
