"""How the camera moved from frame to frame, seen on what stands still."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Transform = NDArray[np.float64]
"""(3, 3) homogeneous, of points (x, y, 1)."""

MAX_SIDE_PX = 960
MAX_CORNERS = 600
LEAST_POINTS, LEAST_SHARE = 12, 0.3
"""Fewer points that agree, or a smaller share of them, tell nothing."""
AROUND_BOXES_FRAC, AROUND_BOXES_PX = 0.5, 4.0
AGREE_PX = 1.5
LEVELS = 4  # of the pyramid: moves of 100 px are found at a side of 960


class CameraMotion:
    """Follows corners of the ground by optical flow and fits shift, turn and zoom to them (RANSAC).

    Corners in and around boxes are left out, as what is there may move by itself. Works on frames
    shrunk to 960 px.

    Attributes:
        num_unknown: frames of which it could not be told, and no motion is assumed.
    """

    def __init__(self) -> None:
        self.num_unknown = 0
        self._grey: NDArray[np.uint8] | None = None
        self._corners: NDArray[np.float32] | None = None

    def moved(self, rgb: NDArray[np.uint8], boxes: NDArray[np.float64]) -> Transform:
        """The transform from the last frame's pixels to this one's; none for the first frame.

        Args:
            rgb: (H, W, 3) uint8.
            boxes: (N, 4) xyxy of what may move.
        """
        height, width = rgb.shape[:2]
        scale = min(1.0, MAX_SIDE_PX / max(height, width))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        step = self._step(grey)
        self._grey = np.asarray(grey, dtype=np.uint8)
        self._corners = _corners(self._grey, boxes * scale)
        shrink = np.diag([grey.shape[1] / width, grey.shape[0] / height, 1.0])
        return np.linalg.inv(shrink) @ step @ shrink

    def _step(self, grey: NDArray[np.uint8]) -> Transform:
        if self._grey is None:
            return np.eye(3)
        fitted = None
        if self._grey.shape == grey.shape and self._corners is not None:
            fitted = _fitted(self._grey, grey, self._corners)
        if fitted is None:
            self.num_unknown += 1
        return np.eye(3) if fitted is None else fitted


def _fitted(
    before: NDArray[np.uint8], now: NDArray[np.uint8], corners: NDArray[np.float32]
) -> Transform | None:
    found, status, _ = cv2.calcOpticalFlowPyrLK(before, now, corners, None, maxLevel=LEVELS)  # pyright: ignore[reportCallIssue, reportArgumentType]
    met = status.ravel() == 1
    if met.sum() < LEAST_POINTS:
        return None
    cv2.setRNGSeed(0)  # RANSAC draws
    matrix, agree = cv2.estimateAffinePartial2D(
        corners[met], found[met], method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX
    )
    if matrix is None or agree.sum() < max(LEAST_POINTS, LEAST_SHARE * met.sum()):
        return None
    return np.vstack([matrix, (0.0, 0.0, 1.0)])


def _corners(grey: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """(K, 1, 2) corners outside of the boxes."""
    mask = np.full(grey.shape, 255, dtype=np.uint8)
    margin = np.maximum((boxes[:, 2:] - boxes[:, :2]) * AROUND_BOXES_FRAC, AROUND_BOXES_PX)
    first = np.maximum(np.floor(boxes[:, :2] - margin), 0).astype(np.int64)
    last = np.maximum(np.ceil(boxes[:, 2:] + margin), 0).astype(np.int64)
    for (x1, y1), (x2, y2) in zip(first.tolist(), last.tolist(), strict=True):
        mask[y1:y2, x1:x2] = 0
    found = cv2.goodFeaturesToTrack(grey, MAX_CORNERS, 0.01, 8, mask=mask)
    return None if found is None else np.asarray(found, dtype=np.float32)


def warp_boxes(boxes: NDArray[np.float64], transform: Transform) -> NDArray[np.float64]:
    """Boxes whose centres are moved and whose sides are scaled by a similarity; none is turned.

    Args:
        boxes: (N, 4) xyxy.
        transform: shift, turn and zoom.
    """
    centres = move_points((boxes[:, :2] + boxes[:, 2:]) / 2, transform)
    scale = np.sqrt(abs(np.linalg.det(transform[:2, :2])))
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    return np.concatenate([centres - half, centres + half], axis=1)


def move_points(points: NDArray[np.float64], transform: Transform) -> NDArray[np.float64]:
    """(N, 2) points moved by an affine transform."""
    return points @ transform[:2, :2].T + transform[:2, 2]
