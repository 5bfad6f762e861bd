"""Pairs of boxes that share an area, found without looking at all N x N of them."""

# torch types some methods only in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_FINEST_LEVEL = 2  # cells of 4 px; finer ones only cost time
_PAIRS_AT_ONCE = 2_000_000  # bounds the memory of one step of the search


def intersecting_pairs(boxes: Tensor, group: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Rows of all pairs of boxes whose intersection has an area.

    Boxes are hashed into square cells. Every box has a level: the power of two just above its
    longer side, so that it covers at most 2 x 2 cells of its level, and so does any smaller box.
    On each level its boxes meet those of the same and of all lower levels. Exact in any float
    type: coordinates are only compared and divided by powers of two.

    Args:
        boxes: (N, 4) float xyxy on the CPU, any extent.
        group: (N,) int64 from 0; boxes of different groups make no pair. One group if None.

    Returns:
        first, second: (P,) int64, each pair once, with first < second, in no particular order.
    """
    if len(boxes) == 0:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    group = torch.zeros(len(boxes), dtype=torch.long) if group is None else group
    longer_side = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1)
    level = torch.frexp(longer_side).exponent.clamp(min=_FINEST_LEVEL)
    found: list[tuple[Tensor, Tensor]] = []
    for height in torch.bincount(level).nonzero().flatten().tolist():
        found += _pairs_on_level(boxes, group, level, height)
    a, b = torch.cat([a for a, _ in found]), torch.cat([b for _, b in found])
    return torch.minimum(a, b), torch.maximum(a, b)


def alike_pairs(
    boxes: Tensor, iou_threshold: float, group: Tensor | None = None, least_px: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Rows of all pairs whose IoU can be above a threshold t, and of few others.

    No IoU is above that of the boxes' spans on one axis. For spans of widths v and w whose centres
    are d apart it is above t only where d < q (v + w) / 2, with q = (1 - t) / (1 + t). So the pair
    still meets when both boxes shrink about their centres to q of their sides.

    Args:
        boxes: (N, 4) float64 xyxy on the CPU.
        iou_threshold: t, in [0, 1).
        group: as in `intersecting_pairs`.
        least_px: pairs of boxes are found, too, whose centres are up to q times this apart on both
            axes.

    Returns:
        first, second: (P,) int64, as from `intersecting_pairs`.
    """
    # A hair more: what rounding moves must not be lost.
    share = (1 - iou_threshold) / (1 + iou_threshold) * (1 + 1e-6)
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=least_px) * (share / 2)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return intersecting_pairs(torch.cat((centre - half, centre + half), dim=1), group)


def _pairs_on_level(
    boxes: Tensor, group: Tensor, level: Tensor, height: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of which one box is of this level and the other not above it."""
    rows = torch.nonzero(level <= height).flatten()
    key, owner, corner = _cells(boxes, group, rows, 2.0**height)
    tops = torch.nonzero(level[owner] == height).flatten()
    sorted_keys, order = torch.sort(key[tops])
    tops = tops[order]
    start = torch.searchsorted(sorted_keys, key)
    counts = torch.searchsorted(sorted_keys, key, right=True) - start
    ends = counts.cumsum(0)
    num_steps = int(ends[-1]) // _PAIRS_AT_ONCE + 1
    borders = torch.searchsorted(ends, torch.arange(1, num_steps) * _PAIRS_AT_ONCE)
    for step in torch.tensor_split(torch.arange(len(key)), borders):
        entry = torch.repeat_interleave(step, counts[step])
        # The n-th pair of an entry is the n-th top in its cell.
        place = torch.arange(len(entry)) + (start + counts - ends)[entry]
        top = tops[place + (ends - counts)[step[:1]]]
        # A pair that shares several cells counts in one: where no corner lies left of or above it.
        home = torch.nonzero((corner[entry] & corner[top]) == 0).flatten()
        a, b = owner[entry[home]], owner[top[home]]
        once = torch.nonzero((level[a] < level[b]) | (a < b)).flatten()
        a, b = a[once], b[once]
        shared = _share_area(boxes.index_select(0, a), boxes.index_select(0, b))
        yield a[shared], b[shared]


def _cells(
    boxes: Tensor, group: Tensor, rows: Tensor, cell_px: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Entries (box, cell), one for each of the 1 to 4 cells that each box of `rows` covers.

    Returns:
        key: one number for each cell of each group.
        owner: the row of the box.
        corner: 0..3, bit 0 where the box began a column to the left, bit 1 a row above.
    """
    x1, y1, x2, y2 = (boxes[rows] / cell_px).floor().long().unbind(1)
    left, top = x1.min(), y1.min()
    width, height = x2.max() - left + 1, y2.max() - top + 1
    sheet = group[rows] * height - top
    keys: list[Tensor] = []
    owners: list[Tensor] = []
    corners: list[Tensor] = []
    for corner in range(4):
        column, line = x1 + (corner & 1), y1 + (corner >> 1)
        covered = torch.nonzero((column <= x2) & (line <= y2)).flatten()
        keys.append(((line + sheet) * width + column - left)[covered])
        owners.append(rows[covered])
        corners.append(torch.full((len(covered),), corner, dtype=torch.uint8))
    return torch.cat(keys), torch.cat(owners), torch.cat(corners)


def _share_area(a: Tensor, b: Tensor) -> Tensor:
    low = torch.maximum(a[:, :2], b[:, :2])
    apart = torch.minimum(a[:, 2:], b[:, 2:]) <= low
    return torch.nonzero(~(apart[:, 0] | apart[:, 1])).flatten()
