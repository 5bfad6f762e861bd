"""How the camera moved from frame to frame, seen on what stands still."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Transform = NDArray[np.float64]
"""(3, 3) homogeneous, of points (x, y, 1)."""

MAX_SIDE_PX = 960
MAX_CORNERS, MAX_FEATURES = 600, 1500
LEAST_POINTS, LEAST_SHARE = 12, 0.3
"""Fewer points that agree, or a smaller share of them, tell nothing."""
AROUND_BOXES_FRAC, AROUND_BOXES_PX = 0.5, 4.0
AGREE_PX = 1.5
UNLIKE_SECOND = 0.75
"""Lowe's ratio: a feature is paired where its second best is that much further."""
LEVELS = 4  # of the pyramid: moves of 100 px are found at a side of 960


class CameraMotion:
    """Follows corners of the ground by optical flow and fits shift, turn and zoom to them (RANSAC).

    Where too few agree, as after a leap, SIFT's features of both frames are compared instead.
    Corners and features in and around boxes are left out, as what is there may move by itself.
    Works on frames shrunk to 960 px.

    Attributes:
        num_unknown: frames of which it could not be told, and no motion is assumed.
    """

    def __init__(self) -> None:
        self.num_unknown = 0
        self._before: _Ground | None = None

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
        grey = np.asarray(grey, dtype=np.uint8)
        now, before = _Ground(grey, _outside(grey, boxes * scale)), self._before
        self._before = now
        if before is None:
            return np.eye(3)
        step = _flow(before, now) if before.grey.shape == grey.shape else None
        if step is None:
            step = _compared(before, now)
        if step is None:
            self.num_unknown += 1
            return np.eye(3)
        shrink = np.diag([grey.shape[1] / width, grey.shape[0] / height, 1.0])
        return np.linalg.inv(shrink) @ step @ shrink


class _Ground(NamedTuple):
    """A grey frame, and a mask that is 255 where nothing was found."""

    grey: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def _flow(before: _Ground, now: _Ground) -> Transform | None:
    """By corners of the frame before that are found again close by."""
    corners: Any = cv2.goodFeaturesToTrack(before.grey, MAX_CORNERS, 0.01, 8, mask=before.mask)
    if corners is None:
        return None
    flow: Any = cv2.calcOpticalFlowPyrLK  # its stubs want what it makes itself
    found, status, _ = flow(before.grey, now.grey, corners, None, maxLevel=LEVELS)
    met = status.ravel() == 1
    return _fitted(corners[met].reshape(-1, 2), found[met].reshape(-1, 2))


def _compared(before: _Ground, now: _Ground) -> Transform | None:
    """By features that look alike wherever they lie, also turned and of another size."""
    sift = cv2.SIFT.create(MAX_FEATURES)
    old_points, old = sift.detectAndCompute(before.grey, before.mask)
    new_points, new = sift.detectAndCompute(now.grey, now.mask)
    if min(len(old_points), len(new_points)) < LEAST_POINTS:
        return None
    pairs: Any = cv2.BFMatcher(cv2.NORM_L2).knnMatch(old, new, k=2)
    sure = [one for one, other in pairs if one.distance < UNLIKE_SECOND * other.distance]
    old_xy = np.array([old_points[one.queryIdx].pt for one in sure], dtype=np.float32)
    new_xy = np.array([new_points[one.trainIdx].pt for one in sure], dtype=np.float32)
    return _fitted(old_xy, new_xy)


def _fitted(before: NDArray[np.float32], now: NDArray[np.float32]) -> Transform | None:
    """The similarity that enough of the pairs of points (K, 2) agree on."""
    if len(before) < LEAST_POINTS:
        return None
    cv2.setRNGSeed(0)  # RANSAC draws
    fitted: Any = cv2.estimateAffinePartial2D(
        before, now, method=cv2.RANSAC, ransacReprojThreshold=AGREE_PX
    )
    matrix, agree = fitted
    if matrix is None or agree.sum() < max(LEAST_POINTS, LEAST_SHARE * len(before)):
        return None
    return np.vstack([matrix, (0.0, 0.0, 1.0)])


def _outside(grey: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(H, W) mask: 0 in and around the boxes, else 255."""
    mask = np.full(grey.shape, 255, dtype=np.uint8)
    margin = np.maximum((boxes[:, 2:] - boxes[:, :2]) * AROUND_BOXES_FRAC, AROUND_BOXES_PX)
    first = np.maximum(np.floor(boxes[:, :2] - margin), 0).astype(np.int64)
    last = np.maximum(np.ceil(boxes[:, 2:] + margin), 0).astype(np.int64)
    for (x1, y1), (x2, y2) in zip(first.tolist(), last.tolist(), strict=True):
        mask[y1:y2, x1:x2] = 0
    return mask


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
