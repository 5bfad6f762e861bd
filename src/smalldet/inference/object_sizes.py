"""Sizes of what was found: in metres, and against those of training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from smalldet.detections import Detections
from smalldet.imagery.gsd import Gsd
from smalldet.models.seen import Seen

ENOUGH = 10
"""Objects of a class from which on their median says something."""
FAR = 2.0
"""Times beyond what nearly all objects of training had that a median is far from it."""


def sides_px(detections: Detections) -> Tensor:
    """(N,) float64, the square root of each box's area, of the oriented one where there is one."""
    if detections.rboxes is not None:
        return detections.rboxes[:, 2:4].double().prod(dim=1).clamp(min=0).sqrt()
    corners = detections.boxes.double()
    return (corners[:, 2:] - corners[:, :2]).clamp(min=0).prod(dim=1).sqrt()


def metres_for_sizes(name: str, gsd: Gsd) -> float:
    """Metres a pixel of a picture, where sizes in metres are asked for.

    Raises:
        ValueError: nobody says it.
    """
    if gsd.metres is None:
        raise ValueError(
            f"{name}: {gsd.source}, so that sizes in metres cannot be told; give it (--gsd), or "
            "leave out the least and the largest size"
        )
    return gsd.metres


def within_metres(
    detections: Detections, gsd_m: float, least_m: float | None, most_m: float | None
) -> Tensor:
    """(N,) bool, `least_m` <= size < `most_m`, where the size is the side times `gsd_m`."""
    size_m = sides_px(detections) * gsd_m
    kept = torch.ones(len(size_m), dtype=torch.bool)
    if least_m is not None:
        kept &= size_m >= least_m
    if most_m is not None:
        kept &= size_m < most_m
    return kept


def unusual_sizes(found: Sequence[Detections], seen: Seen) -> list[str]:
    """One line for each class whose objects are far from as large as in training.

    Args:
        found: in pictures that were looked at as they are.
        seen: by the model that found them.
    """
    lines: list[str] = []
    if not found or not seen.side_px:
        return lines
    sides = torch.cat([sides_px(one) for one in found])
    labels = torch.cat([one.labels for one in found])
    for label, spread in enumerate(seen.side_px):
        own = sides[labels == label]
        if spread is None or len(own) < ENOUGH:
            continue
        middle = float(own.median())
        if not spread[0] / FAR <= middle <= spread[2] * FAR:
            lines.append(
                f"{found[0].class_names[label]}: those found have a side of about {middle:.0f} px, "
                f"most of those in training had {spread[0]:.0f} to {spread[2]:.0f} px; many may be "
                "missed: give the metres a pixel (--gsd), or another scale (--scales)"
            )
    return lines
