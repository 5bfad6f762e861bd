"""Pairs of boxes that share an area, found without looking at all N x N of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_PAIRS_AT_ONCE = 2_000_000  # bounds the memory of one step of the search


def intersecting_pairs(
    boxes: Tensor, group: Tensor | None = None, owner: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rows of all pairs of boxes whose intersection has an area.

    The ground is cut into strips as high as the mean box, so that N boxes have at most 3 N places
    in strips however unlike they are. In each strip boxes stand by their left sides, and a box
    meets those behind it up to its own right side; of these only heights must be compared. A pair
    that shares several strips counts in the first of them. Exact in any float type: coordinates are
    only compared, and divided by one number, which keeps their order.

    Args:
        boxes: (N, 4) float xyxy on the CPU, any extent.
        group: (N,) int64 from 0; boxes of different groups make no pair. One group if None.
        owner: (N,) int64; boxes of one owner make no pair either. Each its own if None.

    Returns:
        first, second: (P,) int64, each pair once, with first < second, in no particular order.

    Raises:
        ValueError: a box is not finite.
    """
    _refuse_non_finite(boxes)
    solid = torch.nonzero((boxes[:, 2:] > boxes[:, :2]).all(dim=1)).flatten()
    if len(solid) == 0:
        return torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    # Rows are of boxes by their left sides from here on.
    rows = solid[torch.from_numpy(np.argsort(boxes[solid, 0].numpy()))]
    left, top, right, bottom = boxes.index_select(0, rows).T.contiguous()
    strips = _Strips.of(top, bottom, None if group is None else group[rows])
    reach = torch.searchsorted(left, right)  # boxes that begin left of the right side of each
    owners = None if owner is None else owner[rows]
    steps = list(_pairs_in_strips(strips, top, bottom, reach, owners))
    a, b = (rows.index_select(0, torch.cat(side)) for side in zip(*steps, strict=True))
    return torch.minimum(a, b), torch.maximum(a, b)


def alike_pairs(
    boxes: Tensor,
    iou_threshold: float,
    group: Tensor | None = None,
    owner: Tensor | None = None,
    *,
    least_px: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Rows of all pairs whose IoU can be above a threshold t, and of few others.

    No IoU is above that of the boxes' spans on one axis. For spans of widths v and w whose centres
    are d apart it is above t only where d < q (v + w) / 2, with q = (1 - t) / (1 + t). So the pair
    still meets when both boxes shrink about their centres to q of their sides.

    Args:
        boxes: (N, 4) float64 xyxy on the CPU.
        iou_threshold: t, in [0, 1).
        group, owner: as in `intersecting_pairs`.
        least_px: pairs of boxes are found, too, whose centres are up to q times this apart on both
            axes.

    Returns:
        first, second: (P,) int64, as from `intersecting_pairs`.
    """
    # A hair more: what rounding moves must not be lost.
    share = (1 - iou_threshold) / (1 + iou_threshold) * (1 + 1e-6)
    half = (boxes[:, 2:] - boxes[:, :2]).clamp(min=least_px) * (share / 2)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return intersecting_pairs(torch.cat((centre - half, centre + half), dim=1), group, owner)


def _refuse_non_finite(boxes: Tensor) -> None:
    """Every search for pairs begins here, so that merges and suppression never see NaN."""
    finite = torch.isfinite(boxes)
    if not bool(finite.all()):
        row = int((~finite.all(dim=1)).nonzero()[0])
        raise ValueError(f"boxes must be finite; row {row} is {boxes[row].tolist()}")


class _Strips(NamedTuple):
    """Places (E,) of boxes in strips: by strip, then by row."""

    row: Tensor  # of the box
    base: Tensor  # number of the strip, times N
    continued: Tensor  # bool, whether the box lies in the strip above too

    @classmethod
    def of(cls, top: Tensor, bottom: Tensor, group: Tensor | None) -> _Strips:
        """Strips of each group by themselves."""
        num = len(top)
        height = (bottom.double() - top.double()).mean()
        first, last = ((side.double() / height).floor().long() for side in (top, bottom))
        num_strips = last - first + 1
        if group is not None:
            first = first + group * (last.max() - first.min() + 1)
        first = first - first.min()
        row = torch.repeat_interleave(torch.arange(num), num_strips)
        ends = num_strips.cumsum(0)
        strip = torch.arange(len(row)) - (ends - num_strips - first).index_select(0, row)
        place = torch.from_numpy(np.sort((strip * num + row).numpy()))
        row = place % num
        base = place - row
        return cls(row, base, (first * num).index_select(0, row) < base)


def _pairs_in_strips(
    strips: _Strips, top: Tensor, bottom: Tensor, reach: Tensor, owner: Tensor | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of rows that share an area, step by step."""
    row, base, continued = strips
    place = torch.arange(len(row))
    top, bottom = top.index_select(0, row), bottom.index_select(0, row)
    # numpy's search is the faster one where what is searched for is nearly in order
    end = np.searchsorted((base + row).numpy(), (base + reach.index_select(0, row)).numpy())
    counts = torch.from_numpy(end) - place - 1
    ends = counts.cumsum(0)
    num_steps = int(ends[-1]) // _PAIRS_AT_ONCE + 1
    borders = torch.searchsorted(ends, torch.arange(1, num_steps) * _PAIRS_AT_ONCE)
    for step in torch.tensor_split(place, borders):
        if len(step) == 0:
            continue
        # The n-th pair of a place is with the n-th place behind it.
        starts = (ends - counts)[step]
        one = torch.repeat_interleave(step, counts[step])
        behind = torch.repeat_interleave(step + 1 - starts + starts[0], counts[step])
        other = behind + torch.arange(len(one))
        meet = bottom.index_select(0, one) > top.index_select(0, other)
        meet &= bottom.index_select(0, other) > top.index_select(0, one)
        meet &= ~(continued.index_select(0, one) & continued.index_select(0, other))
        meet = torch.nonzero(meet).flatten()
        a, b = (row.index_select(0, side.index_select(0, meet)) for side in (one, other))
        if owner is not None:
            of_two = torch.nonzero(owner.index_select(0, a) != owner.index_select(0, b)).flatten()
            a, b = a.index_select(0, of_two), b.index_select(0, of_two)
        yield a, b
