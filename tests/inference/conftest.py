"""Scenes of bright squares, and a tile model that finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from torch import Tensor

from smalldet.detections import Detections
from smalldet.inference.results import Result
from smalldet.models.seen import NOTHING_KNOWN, Seen

TRANSFORM = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)


class SquareFinder:
    """A tile model that finds bright upright rectangles, without a network.

    A corner is a bright pixel with dark left and upper ones. The second channel tells the class,
    the third the score. Like any model it sees of an object that the tile cuts only the part
    inside.
    """

    class_names: tuple[str, ...] = ("Car", "other-vehicle")
    in_channels = 3
    stride, least_px = 32, 1
    tile_px = 128
    conf = 0.25
    runtime = "plain torch"
    seen: Seen = NOTHING_KNOWN
    finds_masks = False

    @property
    def fingerprint(self) -> str:
        return f"squares of {self.class_names}"

    def batch_size(self, height: int, width: int) -> int:
        return max(1, 1_000_000 // (height * width))

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        assert images.dtype == torch.uint8 and images.device.type == "cpu"
        assert images.shape[2] % self.stride == 0 and images.shape[3] % self.stride == 0
        return [self._one(image, conf, max_detections) for image in images]

    def _one(self, image: Tensor, conf: float, max_detections: int) -> Detections:
        bright = torch.nn.functional.pad(image[0] > 128, (1, 1, 1, 1))
        corner = bright & ~bright.roll(1, 0) & ~bright.roll(1, 1)
        y, x = corner.nonzero(as_tuple=True)
        width = _next_dark(bright)[y, x] - x
        height = _next_dark(bright.T).T[y, x] - y
        left, top = x.float() - 1, y.float() - 1
        scores = image[2, y - 1, x - 1].float() / 255
        labels = (image[1, y - 1, x - 1] > 128).long()
        boxes = torch.stack((left, top, left + width, top + height), 1)
        kept = scores >= conf
        detections = Detections(boxes[kept], scores[kept], labels[kept], self.class_names)
        return detections.sorted_by_score(max_detections)


def _next_dark(bright: Tensor) -> Tensor:
    """(H, W): column of the first dark pixel at or right of each one."""
    columns = torch.arange(bright.shape[1]).expand(bright.shape)
    dark = torch.where(bright, bright.shape[1], columns)
    return dark.flip(1).cummin(dim=1).values.flip(1)


Drawn = tuple[NDArray[np.uint8], Detections]


@pytest.fixture
def finder() -> SquareFinder:
    return SquareFinder()


@pytest.fixture
def draw_squares() -> Callable[..., Drawn]:
    """Draws a scene (H, W, 3) of squares that do not touch, and tells their truth."""

    def drawn(width: int, height: int, num: int, seed: int = 0, max_side: int = 40) -> Drawn:
        rng = np.random.default_rng(seed)
        scene = np.zeros((height, width, 3), np.uint8)
        taken = np.zeros((height, width), bool)
        rows: list[tuple[int, int, int, int, int, int]] = []
        while len(rows) < num:
            w, h = rng.integers(3, min(max_side, width, height) + 1, 2).tolist()
            x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            if taken[max(0, y - 3) : y + h + 3, max(0, x - 3) : x + w + 3].any():
                continue
            taken[y : y + h, x : x + w] = True
            label, score = int(rng.integers(0, 2)), int(rng.integers(100, 256))
            scene[y : y + h, x : x + w] = (255, 255 * label, score)
            rows.append((x, y, x + w, y + h, label, score))
        table = torch.tensor(rows).reshape(-1, 6)
        truth = Detections(
            table[:, :4].float(), table[:, 5] / 255, table[:, 4], SquareFinder.class_names
        )
        return scene, truth.sorted_by_score()

    return drawn


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Makes a result of a blank picture, without a file."""

    def made(
        boxes: object,
        name: str = "scene.tif",
        crs: str | None = "EPSG:32633",
        transform: Affine | None = TRANSFORM,
        width: int = 2000,
        height: int = 1000,
    ) -> Result:
        table = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        num = len(table)
        detections = Detections(
            table, torch.linspace(0.9, 0.5, num), torch.arange(num) % 2, SquareFinder.class_names
        )
        return Result(
            name,
            np.zeros((height, width), np.uint8),
            (1, 1, 1),
            width,
            height,
            None if crs is None else CRS.from_user_input(crs),
            transform,
            detections,
        )

    return made
