"""A drawn aerial scene: an airfield and its town, with the true boxes of every small object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from smalldet.data.index import ImageRecord, Index
from smalldet.demo.airfield import ROAD_V, draw_airfield
from smalldet.demo.ground import Frame, Ground, exposed
from smalldet.demo.plan import AIRPLANE, CAR, CLASS_NAMES, Plan
from smalldet.demo.sprites import airplane, bus, car, rbox_of, stamp, tree, turned
from smalldet.demo.town import draw_countryside, draw_town
from smalldet.geometry.oriented import canonical

GSD_M = 0.25


def draw_scene(path: Path | str, *, width: int = 6400, height: int = 4480, seed: int = 0) -> Index:
    """Draw an airfield and a town as a georeferenced picture.

    Args:
        path: the GeoTIFF to write: RGB, tiled, JPEG, with overviews, EPSG:32633, 0.25 m a pixel.
        width: pixels, at least 1200.
        height: pixels, at least 1200.
        seed: the same seed draws the same scene.

    Returns:
        The truth: one record with the boxes of all airplanes, cars and buses, upright ones round
        what is seen of each and oriented ones along its heading.

    Raises:
        ValueError: the picture is too small to hold an airfield.
    """
    if min(width, height) < 1200:
        raise ValueError(f"the scene needs 1200 px a side for its airfield, not {width} x {height}")
    path = Path(path)
    rng = np.random.default_rng(seed)
    plan = Plan(rng)
    ground = Ground(width, height, (122, 122, 84), 150)
    field = Frame(0.07 * width, 0.2 * height, -0.07)
    draw_countryside(ground, plan)
    draw_airfield(ground, plan, field, 0.86 * width)
    edge = field.moved(-0.07 * width - 300, ROAD_V)
    _clear_trees(plan, field)
    draw_town(ground, plan, edge, 1.1 * width + 600, max(0.0, height + 0.1 * width - edge.y))
    picture = ground.texture(rng)
    _set_trees(picture, plan)
    boxes, rboxes, labels = _set_things(picture, plan)
    _write(path, picture, rng)
    num = len(boxes)
    flags = np.zeros(num, dtype=np.bool_)
    record = ImageRecord(
        path, width, height, boxes, labels, flags, flags, image_id=1, rboxes=rboxes, gsd_m=GSD_M
    )
    return Index(CLASS_NAMES, (record,))


def _clear_trees(plan: Plan, field: Frame) -> None:
    """No tree of the countryside stands on the airfield or in the town."""
    cos, sin = np.cos(field.angle_rad), np.sin(field.angle_rad)
    for i, spots in enumerate(plan.trees):
        across = (spots - (field.x, field.y)) @ np.array([-sin, cos])
        plan.trees[i] = spots[across < -440]


def _set_trees(picture: Image.Image, plan: Plan) -> None:
    crowns = [tree(plan.rng, radius) for radius in plan.rng.uniform(8, 20, 28)]
    spots = np.concatenate(plan.trees)
    picks = plan.rng.integers(len(crowns), size=len(spots))
    for (x, y), pick in zip(spots[np.argsort(spots[:, 1])].tolist(), picks.tolist(), strict=True):
        crown = crowns[pick]
        if -40 < x < picture.width + 40 and -40 < y < picture.height + 40:
            stamp(picture, crown, x, y, 0.2 * crown.width)


def _set_things(
    picture: Image.Image, plan: Plan
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Set airplanes, cars and buses that stand fully inside.

    Returns:
        (N, 4) xyxy, (N, 5) canonical oriented boxes and (N,) labels.
    """
    rng = plan.rng
    sheets = (
        [airplane(rng, length) for length in rng.uniform(26, 46, 48)],
        [car(rng, length) for length in rng.uniform(21.5, 25, 60)],
        [bus(rng, length) for length in rng.uniform(54, 62, 12)],
    )
    boxes: list[NDArray[np.float32]] = []
    rboxes: list[NDArray[np.float64]] = []
    labels: list[int] = []
    for x, y, heading_rad, label in plan.things:
        margin = 34 if label != CAR else 16
        if not (margin < x < picture.width - margin and margin < y < picture.height - margin):
            continue
        sheet = sheets[label][int(rng.integers(len(sheets[label])))]
        sprite = turned(sheet, heading_rad)
        boxes.append(stamp(picture, sprite, x, y, 5.0 if label == AIRPLANE else 3.5))
        rboxes.append(rbox_of(sheet, sprite, x, y, heading_rad))
        labels.append(label)
    turned_boxes = canonical(torch.from_numpy(np.stack(rboxes))).float().numpy()
    return np.stack(boxes), turned_boxes, np.array(labels, dtype=np.int64)


def _write(path: Path, picture: Image.Image, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=picture.width,
        height=picture.height,
        count=3,
        dtype="uint8",
        crs="EPSG:32633",
        transform=from_origin(391_000, 5_824_000, GSD_M, GSD_M),
        tiled=True,
        blockxsize=256,
        blockysize=256,
        compress="JPEG",
        jpeg_quality=90,
        photometric="YCBCR",
    ) as file:
        for top, block in exposed(picture, rng):
            file.write(block, window=((top, top + block.shape[1]), (0, picture.width)))
        file.build_overviews([4, 16], Resampling.average)
