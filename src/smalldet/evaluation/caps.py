"""Limits on the number of detections, and what each costs in recall at IoU 0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalldet.columns import cat
from smalldet.evaluation.coco_curves import COCO_CAPS
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.rows import Rows, ranks_in
from smalldet.evaluation.tile_views import TileViews


@dataclass(frozen=True)
class Cap:
    """One limit.

    Args:
        name: in `metrics.json`.
        num_reached: pictures or tiles that it has left something out of.
        lost: objects that it has cost.
        num_objects: all that count.
        warning: with places for those numbers; empty where it is told elsewhere.
    """

    name: str
    num_reached: int
    lost: int
    num_objects: int
    warning: str

    @property
    def recall_lost(self) -> float | None:
        return self.lost / self.num_objects if self.num_objects else None

    def as_dict(self) -> dict[str, float | None]:
        return {"reached": self.num_reached, "recall_lost": self.recall_lost}

    @property
    def told(self) -> list[str]:
        """The warning, where the limit costs anything."""
        if not self.lost:
            return []
        return [self.warning.format(num=self.num_reached, lost=f"{self.recall_lost:.3f}")]


def find_caps(comparison: Comparison, views: TileViews | None = None) -> list[Cap]:
    """What each limit on the way has cost.

    What a tile leaves out is not known: its objects that no detection of any score meets may have
    been among it.

    Args:
        comparison: truth and detections down to a low score.
        views: of the tiles; None where the detections come from elsewhere.
    """
    num_objects = int((~comparison.objects.ignore).sum())
    matches, found = comparison.at_any_score, comparison.detections
    caps: list[Cap] = []
    if views is not None:
        capped = in_capped_tiles(comparison, views)
        warning = (
            "{num} tiles show more than the model lets out of one: up to {lost} of recall is lost "
            "by it; smaller tiles let out more"
        )
        lost = int((capped & matches.missed).sum())
        caps.append(Cap("tile", len(views.capped), lost, num_objects, warning))
    cut_off = comparison.cut_off
    if cut_off is not None:
        lost = _hits_among(comparison, cut_off) if len(cut_off) else 0
        warning = (
            f"{{num}} pictures have more than the {comparison.max_detections} detections that "
            "count: {lost} of recall is lost by it; count more (--max-detections)"
        )
        reached = len(np.unique(cut_off.pictures))
        caps.append(Cap("max_detections", reached, lost, num_objects, warning))
    of_class = found.pictures * len(comparison.index.class_names) + found.labels
    over = ranks_in(of_class) >= COCO_CAPS[-1]
    lost, reached = int((over & matches.hit).sum()), len(np.unique(found.pictures[over]))
    warning = (
        f"COCO's own figures count {COCO_CAPS[-1]} detections of a class in a picture, and "
        "{num} pictures have more: they miss {lost} of recall by it"
    )
    caps.append(Cap("COCO_max_dets", reached, lost, num_objects, warning))
    return caps


def _hits_among(comparison: Comparison, cut_off: Rows) -> int:
    """Hits that were cut off: strongest first, so that they change none of the others."""
    every = cat([comparison.detections, cut_off])
    matches = match_boxes(comparison.index, comparison.objects, every)
    return int(matches.hit[len(comparison.detections) :].sum())


def in_capped_tiles(comparison: Comparison, views: TileViews) -> NDArray[np.bool_]:
    """(objects,) whether the centre lies in a tile of which something was left out."""
    objects = comparison.objects
    centres = (objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2
    inside = np.zeros(len(objects), dtype=np.bool_)
    for picture in np.unique(views.capped_pictures).tolist():
        here = np.flatnonzero(objects.pictures == picture)
        windows = views.capped[views.capped_pictures == picture]
        within = (centres[here, None] >= windows[:, :2]) & (centres[here, None] <= windows[:, 2:])
        inside[here] = within.all(axis=2).sum(axis=1) > 0
    return inside
