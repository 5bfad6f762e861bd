"""Weighted boxes fusion of what several tiles saw."""

from __future__ import annotations

import torch
from torch import Tensor

from smalldet.columns import columns_in
from smalldet.detections import Detections, TileDetections
from smalldet.geometry.boxes import box_areas
from smalldet.geometry.clusters import connected_components
from smalldet.geometry.overlaps import iou
from smalldet.geometry.pairs import intersecting_pairs
from smalldet.geometry.ranked_boxes import RankedBoxes, check_threshold


def merge_wbf(
    dets: TileDetections, *, iou_threshold: float = 0.55, across_classes: bool = False
) -> Detections:
    """Weighted boxes fusion: boxes of one object give their mean, weighted by score.

    From the strongest to the weakest, a box joins the cluster whose fused box it overlaps most, if
    it does so over the threshold, else it founds a cluster. The fused box is the mean of its T
    boxes weighted by their scores, and follows every join. Its score is their mean score times
    min(T, N) / N. In the paper N is the number of models. Here it is the number of tiles that see
    the fused box's centre, so that what only one tile can see is not punished for it.

    Args:
        dets: detections of the tiles.
        iou_threshold: least overlap with a fused box, in [0, 1); 0.55 is the paper's.
        across_classes: whether boxes of different classes fuse too, under the strongest one's.

    Returns:
        Detections in scene pixels, strongest first, ties by coordinates.

    Raises:
        ValueError: the threshold is out of range, or there are oriented boxes, masks or other
            columns that have no mean.

    Source: Solovyev et al. 2019, arXiv 1910.13302, section 3.
    """
    check_threshold(iou_threshold)
    _refuse_what_has_no_mean(dets)
    ranked = RankedBoxes.of(dets)
    group = _groups(ranked, iou_threshold, across_classes)
    founder, means = _fused(ranked, group, iou_threshold)
    num_boxes = torch.bincount(founder, minlength=len(ranked))
    score_sum = torch.zeros_like(ranked.scores).index_add_(0, founder, ranked.scores)
    rows = torch.nonzero(num_boxes).flatten()
    boxes, num_boxes = means[rows], num_boxes[rows]
    num_tiles = _num_tiles_at((boxes[:, :2] + boxes[:, 2:]) / 2, dets.tiles.cpu().double())
    scores = score_sum[rows] / num_boxes * torch.minimum(num_boxes, num_tiles) / num_tiles
    fused = RankedBoxes(boxes, scores, ranked.labels[rows], dets.class_names)
    return fused.detections(dets.boxes.device)


def _refuse_what_has_no_mean(dets: TileDetections) -> None:
    for name in columns_in(dets):
        if name not in ("boxes", "scores", "labels", "tile", "cut"):
            what = {"rboxes": "oriented boxes"}.get(name, name)
            raise ValueError(
                f"the merge wbf cannot carry {name}: there is no mean of {what}; merge by tiles, "
                "nms or greedy, or by soft_nms"
            )


def _groups(ranked: RankedBoxes, iou_threshold: float, across_classes: bool) -> Tensor:
    """(N,) int64, the lowest row of the group of each box; clusters never span two groups.

    Boxes alike enough to join start a group. A fused box of a group lies in the group's enclosing
    box E and is no smaller than the least width by the least height of its members. That bounds
    what overlap another box can have with it; one that could pass the threshold joins the group.
    """
    boxes = ranked.boxes
    sides = boxes[:, 2:] - boxes[:, :2]
    first, second = ranked.pairs(across_classes)
    join = iou(boxes[first], boxes[second]) > iou_threshold
    first, second = first[join], second[join]
    while True:
        group = connected_components(len(ranked), first, second)
        several = torch.nonzero(torch.bincount(group, minlength=len(group)) > 1).flatten()
        column = group[:, None].expand(-1, 2)
        least_area = sides.scatter_reduce(0, column, sides, "amin").prod(dim=1)
        enclosing = ranked.enclosing(group)

        row, other = intersecting_pairs(torch.cat((boxes, enclosing[several])))
        between = (row < len(ranked)) & (other >= len(ranked))
        row, other = row[between], several[other[between] - len(ranked)]
        meet = group[row] != other
        if not across_classes:
            meet &= ranked.labels[row] == ranked.labels[other]
        row, other = row[meet], other[meet]
        low = torch.maximum(boxes[row, :2], enclosing[other, :2])
        shared = (torch.minimum(boxes[row, 2:], enclosing[other, 2:]) - low).prod(dim=1)
        bound = shared / (box_areas(boxes[row]) + least_area[other] - shared)
        reached = bound > iou_threshold - 1e-6  # fused coordinates are rounded
        if not bool(reached.any()):
            return group
        first = torch.cat((first, row[reached]))
        second = torch.cat((second, other[reached]))


def _fused(ranked: RankedBoxes, group: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """Clusters of all groups at once: step k places the k-th strongest box of every group.

    Returns:
        founder: (N,) int64, the row of the box that founded the cluster of each box.
        fused: (N, 4), the fused box of each cluster at its founder's row.
    """
    order = torch.argsort(group, stable=True)  # groups side by side, each by strength
    size = torch.unique_consecutive(group[order], return_counts=True)[1]
    start = size.cumsum(0) - size
    founder = torch.arange(len(ranked))
    weight = ranked.scores.clamp(min=1e-12)  # boxes of score 0 have a mean too
    weighted = ranked.boxes * weight[:, None]  # sums over the cluster, at its founder's row
    for step in range(1, int(size.max()) if len(size) else 0):
        begin = start[size > step]
        row = order[begin + step]
        earlier = order[begin[:, None] + torch.arange(step)]
        alike = iou(ranked.boxes[row][:, None], weighted[earlier] / weight[earlier][..., None])
        alike[founder[earlier] != earlier] = -1  # joined a cluster, so founded none
        best, place = alike.max(dim=1)
        joins = torch.nonzero(best > iou_threshold).flatten()
        row, into = row[joins], earlier[joins, place[joins]]
        founder[row] = into
        weighted[into] += weighted[row]
        weight[into] += weight[row]
    return founder, weighted / weight[:, None]


def _num_tiles_at(points: Tensor, tiles: Tensor) -> Tensor:
    """(M,) how many tiles hold each (x, y) of points (M, 2), their far edges left out; 1 at least.

    A point is the smallest box that begins at it, so that it shares an area with those tiles.
    """
    boxes = torch.cat((points, torch.nextafter(points, torch.full_like(points, torch.inf))), dim=1)
    first, second = intersecting_pairs(torch.cat((tiles, boxes)))
    held = second[(first < len(tiles)) & (second >= len(tiles))] - len(tiles)
    return torch.bincount(held, minlength=len(points)).clamp(min=1)
