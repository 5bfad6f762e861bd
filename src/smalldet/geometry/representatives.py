"""What represents each cluster of boxes: one box, one score, one class, one mask."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from smalldet.geometry.masks import united_masks
from smalldet.geometry.merge_oriented import enclosing_rectangles

STRETCHING_SCORE = 0.1
"""A piece that scores less than this share of the best of its cluster does not stretch its box."""


class Representatives(NamedTuple):
    """Which boxes represent each of C clusters of N boxes.

    Args:
        winner: (C,) int64, the best member that no edge cuts, else the best; its class counts.
        has_whole: (C,) bool, whether no edge cuts the winner.
        scores: (C,), the mean over the members that no edge cuts, the winner's where all are cut.
        pieces: (P,) int64, rows of the members that have a say in an enclosing box.
        cluster: (P,) int64, 0..C-1, whose members they are.
    """

    winner: Tensor
    has_whole: Tensor
    scores: Tensor
    pieces: Tensor
    cluster: Tensor


def choose_representatives(
    scores: Tensor, whole: Tensor, members: Tensor, cluster: Tensor
) -> Representatives:
    """Choose the box that represents each cluster.

    Args:
        scores: (N,), falling: a row number is a rank.
        whole: (N,) bool, whether no interior edge cuts a box.
        members: (M,) int64, rising, rows of the boxes that count.
        cluster: (N,) int64, a name.
    """
    names, cluster = torch.unique(cluster[members], return_inverse=True)
    nobody = torch.full((len(names),), len(scores))
    best = nobody.scatter_reduce(0, cluster, members, "amin")
    uncut = whole[members]
    best_whole = nobody.scatter_reduce(0, cluster[uncut], members[uncut], "amin")
    has_whole = best_whole < len(scores)
    winner = torch.where(has_whole, best_whole, best)

    exact = scores.double()
    total = torch.zeros(len(names), dtype=torch.float64)
    total = total.index_add(0, cluster[uncut], exact[members[uncut]])
    mean = total / torch.bincount(cluster[uncut], minlength=len(names)).clamp(min=1)
    certainty = torch.where(has_whole, mean, exact[winner]).to(scores)

    strong = scores[members] >= STRETCHING_SCORE * scores[winner][cluster]
    return Representatives(winner, has_whole, certainty, members[strong], cluster[strong])


def merged_boxes(boxes: Tensor, representatives: Representatives) -> Tensor:
    """(C, 4), the box of each cluster: its winner's, or round its pieces where all are cut."""
    column = representatives.cluster[:, None].expand(-1, 2)
    own, pieces = boxes[representatives.winner], boxes[representatives.pieces]
    low = own[:, :2].scatter_reduce(0, column, pieces[:, :2], "amin")
    high = own[:, 2:].scatter_reduce(0, column, pieces[:, 2:], "amax")
    return torch.where(representatives.has_whole[:, None], own, torch.cat((low, high), dim=1))


def merged_rboxes(rboxes: Tensor, representatives: Representatives) -> Tensor:
    """(C, 5), as `merged_boxes` for oriented boxes."""
    merged = rboxes[representatives.winner]
    rows, group = _in_pieces(representatives)
    merged[~representatives.has_whole] = enclosing_rectangles(rboxes[rows], group)
    return merged


def merged_masks(
    masks: Tensor, boxes: Tensor, merged: Tensor, representatives: Representatives
) -> Tensor:
    """(C, M, M), the winner's mask, or that of all pieces where all are cut.

    Args:
        masks: (N, M, M), each fills its box.
        boxes: (N, 4) xyxy.
        merged: (C, 4) xyxy, of the clusters.
        representatives: of the clusters.
    """
    chosen, all_cut = masks[representatives.winner], ~representatives.has_whole
    rows, group = _in_pieces(representatives)
    chosen[all_cut] = united_masks(masks[rows], boxes[rows], group, merged[all_cut])
    return chosen


def _in_pieces(representatives: Representatives) -> tuple[Tensor, Tensor]:
    """Rows of the pieces of clusters that are all cut, and which of those they are of."""
    all_cut = ~representatives.has_whole
    piece = all_cut[representatives.cluster]
    return representatives.pieces[piece], (all_cut.cumsum(0) - 1)[representatives.cluster[piece]]
