"""Following boxes from frame to frame with a tracker of the library `trackers`.

Any tracker gets boxes in the coordinates of the first frame: what the camera moved is taken out
before, so that trackers that know nothing of cameras follow from moving ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import ByteTrackTracker, CBIoUTracker, OCSORTTracker
from trackers.utils.iou import BaseIoU

from smalldet.tracking.camera import Transform, warp_boxes
from smalldet.tracking.frame_boxes import NO_TRACK
from smalldet.tracking.options import TrackOptions

STRONG, WEAK = 0.6, 0.1
"""Scores of the library: from the first on a detection begins a track; the second is its least."""
TINY = 1e-6
LIBRARY_FPS = 30.0
SECOND_BUFFER = 5 / 3
"""C-BIoU's second buffer for its first, as in the paper (0.5 for 0.3)."""


class BufferedIoU(BaseIoU):
    """IoU of boxes that are grown on every side (Yang et al., WACV 2023), by a least width in px.

    A share of the side alone leaves boxes of 5 px apart that a car's own jitter moved.

    Args:
        share: of the width left and right, of the height above and below.
        least_px: that they grow at least.
    """

    def __init__(self, share: float, least_px: float) -> None:
        self.share, self.least_px = share, least_px

    def _compute(
        self, boxes_1: NDArray[np.float64], boxes_2: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return sv.box_iou_batch(self._grown(boxes_1), self._grown(boxes_2)).astype(np.float64)

    def _grown(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        boxes = np.asarray(boxes, dtype=np.float64)
        margin = np.maximum((boxes[:, 2:] - boxes[:, :2]) * self.share, self.least_px)
        return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


Options = Mapping[str, Any]


def _cbiou(iou: BufferedIoU, common: Options) -> Any:
    tracker = CBIoUTracker(track_activation_threshold=STRONG, **common)
    tracker.iou_first = iou  # pyright: ignore[reportAttributeAccessIssue]
    tracker.iou_second = BufferedIoU(iou.share * SECOND_BUFFER, iou.least_px * SECOND_BUFFER)  # pyright: ignore[reportAttributeAccessIssue]
    return tracker


TRACKERS: Mapping[str, Callable[[BufferedIoU, Options], Any]] = MappingProxyType(
    {
        "bytetrack": lambda iou, common: ByteTrackTracker(
            track_activation_threshold=STRONG, iou=iou, **common
        ),
        "ocsort": lambda iou, common: OCSORTTracker(iou=iou, **common),
        "cbiou": _cbiou,
    }
)
"""Trackers of the library by name; a new one is a line here and in the options."""


class Follower:
    """Gives the boxes of frame after frame the numbers of their tracks.

    Args:
        options: which tracker, and how far boxes may lie apart.
        fps: frames a second that are looked at.
        start_conf: least score of a detection that begins a track.
    """

    def __init__(self, options: TrackOptions, fps: float, start_conf: float) -> None:
        self._start_conf = start_conf
        common = {
            "lost_track_buffer": max(1, round(options.lost_s * LIBRARY_FPS)),
            "frame_rate": fps,
            "minimum_consecutive_frames": options.min_frames,
            "high_conf_det_threshold": STRONG,
        }
        iou = BufferedIoU(options.buffer_frac, options.buffer_px)
        self._tracker = TRACKERS[options.tracker](iou, common)

    def follow(
        self,
        boxes: NDArray[np.float64],
        scores: NDArray[np.float64],
        to_first: Transform,
        time_s: float,
    ) -> NDArray[np.int64]:
        """The track of each box, from 1; `NO_TRACK` for those of none.

        Args:
            boxes: (N, 4) xyxy in pixels of this frame.
            scores: (N,).
            to_first: from this frame's pixels to those of the first frame.
            time_s: of the frame.
        """
        given = sv.Detections(
            xyxy=warp_boxes(boxes, to_first),
            confidence=library_scores(scores, self._start_conf),
            data={"row": np.arange(len(boxes))},
        )
        told = self._tracker.update(given, timestamp=time_s)
        ids = np.full(len(boxes), NO_TRACK, dtype=np.int64)
        if len(told):
            numbers = np.asarray(told.tracker_id, dtype=np.int64)
            ids[told.data["row"]] = np.where(numbers >= 0, numbers + 1, NO_TRACK)
        return ids


def library_scores(scores: NDArray[np.float64], start_conf: float) -> NDArray[np.float64]:
    """Scores on the scale that the library's trackers are made for.

    They split strong from weak at 0.6 and multiply overlaps by scores, while models of small
    objects are sure of them at other scores. Linear below and above `start_conf`.
    """
    weak = WEAK + TINY + (STRONG - WEAK - 2 * TINY) * scores / start_conf
    strong = STRONG + (1 - STRONG) * (scores - start_conf) / max(1 - start_conf, TINY)
    return np.where(scores >= start_conf, strong, weak)
