"""Merging on the way through a scene, from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from smalldet.detections import Detections, TileDetections
from smalldet.geometry.scales import merge_scales
from smalldet.geometry.streaming import StreamedMerge, without_far_tiles
from smalldet.inference.tile_runner import Step
from smalldet.inference.tiling import Tiling


def merged_on_the_way(
    steps: Iterator[Step],
    tiling: Tiling,
    merge: Callable[[TileDetections], Detections],
    across_classes: bool,
) -> Iterator[Detections]:
    """Whatever no tile to come can touch, merged.

    Args:
        steps: detections of tiles in their order, with the number of tiles done.
        tiling: the tiles.
        merge: of detections of one scale.
        across_classes: boxes of different classes can be one object too.
    """

    def in_band(detections: TileDetections) -> Detections:
        return merge(without_far_tiles(detections))

    def at_scales(detections: TileDetections) -> Detections:
        return merge_scales(
            detections, tiling.level, tiling.scales, in_band, across_classes=across_classes
        )

    at_once = in_band if len(tiling.scales) == 1 else at_scales
    streamed, top_px = StreamedMerge(at_once, across_classes), 0.0
    for detections, num_done in steps:
        streamed.add(detections)
        next_top_px = tiling.next_top_px(num_done)
        if next_top_px > top_px:
            top_px = next_top_px
            yield from _if_any(streamed.completed(top_px))
    yield from _if_any(streamed.completed(math.inf))


def _if_any(detections: Detections | None) -> list[Detections]:
    return [] if detections is None else [detections]
