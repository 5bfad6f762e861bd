"""A drawn flight over a town: frames of a moving camera, with the true track of every vehicle."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from smalldet.demo.ground import Frame, Ground
from smalldet.demo.plan import BUS, Plan
from smalldet.demo.sprites import bus, car, rbox_of, stamp, tree, turned
from smalldet.demo.town import draw_countryside, draw_town

WIDTH, HEIGHT = 960, 540
GROUND_PX = (4400, 3000)  # of 0.25 m
FPS = 10.0
PARKED_FRAC = 0.04  # of what a town has, so that most vehicles drive
FOLLOWERS = 3
SPEEDS_M_S = (6.0, 14.0)
GSD_M = 0.25
SHADOW_PX = 3.5
MIN_VISIBLE_FRAC = 0.5
MARGIN_PX = 40
NOISE = 2.4

Points = NDArray[np.float64]


@dataclass
class _Traffic(Plan):
    """Tells how fast what drives does, and lets more follow it.

    Args:
        speeds: m/s of each thing; 0 for what is parked.
    """

    speeds: list[float] = field(default_factory=list)
    _parking: bool = False
    _in_lane: bool = False

    def put(self, frame: Frame, u: float, v: float, heading_rad: float, label: int) -> None:
        if self._parking and self.rng.random() >= PARKED_FRAC:
            return
        speed = 0.0 if self._parking else float(self.rng.uniform(*SPEEDS_M_S))
        alone = self._parking or self._in_lane
        way = math.cos(heading_rad)
        for _ in range(1 if alone else 1 + FOLLOWERS):
            super().put(frame, u, v, heading_rad, label)
            self.speeds.append(speed)
            u -= way * float(self.rng.uniform(34, 90))

    def row_of_cars(
        self, frame: Frame, u1: float, u2: float, v: float, across: bool, filled_frac: float
    ) -> None:
        self._parking = True
        super().row_of_cars(frame, u1, u2, v, across, filled_frac)
        self._parking = False

    def traffic(
        self, frame: Frame, u1: float, u2: float, v: float, heading_rad: float, gap_px: float
    ) -> None:
        self._in_lane = True
        super().traffic(frame, u1, u2, v, heading_rad, gap_px)
        self._in_lane = False


@dataclass(frozen=True, eq=False)
class FlightFrame:
    """One frame.

    Args:
        pixels: (H, W, 3) uint8.
        ids: (N,) of the vehicles in it, from 1.
        boxes: (N, 4) xyxy, cut by the edge of the frame.
        labels: (N,) positions in `demo.plan.CLASS_NAMES`.
        ground: (3, 3) from pixels of the frame to pixels of the ground, homogeneous.
    """

    pixels: NDArray[np.uint8]
    ids: NDArray[np.int64]
    boxes: Points
    labels: NDArray[np.int64]
    ground: Points


def draw_flight(num_frames: int = 60, seed: int = 0) -> Iterator[FlightFrame]:
    """Frames of 960 x 540 px, ten a second, of a camera that crosses a town, turns and climbs.

    A pixel is 0.25 m of ground in the first frame and 0.75 m in the last, so that cars
    shrink from 18 to 6 px (square root of the box's area). The same seed draws the same flight.

    Args:
        num_frames: of the flight; the camera covers the same way in any number.
        seed: of town, traffic and noise.

    Yields:
        the frames in order; a vehicle is true where half of its box is in view.
    """
    rng = np.random.default_rng(seed)
    plan = _Traffic(rng)
    ground = Ground(*GROUND_PX, (122, 122, 84), 150)
    draw_countryside(ground, plan)
    draw_town(ground, plan, Frame(-200, 60, 0.0), GROUND_PX[0] + 400, GROUND_PX[1])
    town = _with_trees(ground.texture(rng), plan)
    sheets = [
        bus(rng, rng.uniform(54, 62)) if label == BUS else car(rng, rng.uniform(21.5, 25))
        for *_, label in plan.things
    ]
    places = np.array([(x, y, heading) for x, y, heading, _ in plan.things])
    labels = np.array([label for *_, label in plan.things], dtype=np.int64)
    speeds_px = np.array(plan.speeds)[:, None] / GSD_M
    ways = np.stack([np.cos(places[:, 2]), np.sin(places[:, 2])], axis=1) * speeds_px
    # halfway through the flight each is where it was planned
    starts = places[:, :2] - ways * (num_frames / 2 / FPS)
    # a vehicle keeps its heading: it is turned once
    sprites = [turned(sheet, places[row, 2]) for row, sheet in enumerate(sheets)]
    for number in range(num_frames):
        camera = _camera(number / max(1, num_frames - 1), rng)
        spots = starts + ways * (number / FPS)
        corners = np.stack(
            [
                _corners(rbox_of(sheet, sprite, x, y, heading))
                for sheet, sprite, (x, y), heading in zip(
                    sheets, sprites, spots.tolist(), places[:, 2].tolist(), strict=True
                )
            ]
        )
        yield _taken(town, sprites, spots, corners, labels, camera, rng)


def _camera(share: float, rng: np.random.Generator) -> Points:
    """(3, 3) from the frame to the ground: where the camera is after a share of the flight."""
    scale = 1.0 + 2.0 * share  # it climbs
    turn = -0.15 + 0.5 * share + 0.03 * math.sin(9 * share)
    middle = np.array([1100 + 1050 * share, 900 + 600 * share + 60 * math.sin(7 * share)])
    middle += rng.normal(0, 1.5, 2)  # gusts
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = middle - linear @ (WIDTH / 2, HEIGHT / 2)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1]])


def _taken(
    town: Image.Image,
    sprites: list[Image.Image],
    spots: Points,
    corners: Points,
    labels: NDArray[np.int64],
    camera: Points,
    rng: np.random.Generator,
) -> FlightFrame:
    to_frame = np.linalg.inv(camera)
    seen = corners @ to_frame[:2, :2].T + to_frame[:2, 2]
    whole = np.concatenate([seen.min(axis=1), seen.max(axis=1)], axis=1)
    size = np.tile((WIDTH, HEIGHT), 2)
    boxes = whole.clip(0, size)
    areas, visible = (np.prod(box[:, 2:] - box[:, :2], axis=1) for box in (whole, boxes))
    view = np.array([(0, 0), (WIDTH, 0), (0, HEIGHT), (WIDTH, HEIGHT)]) @ camera[:2, :2].T
    left, top = np.floor((view + camera[:2, 2]).min(axis=0) - MARGIN_PX).astype(int).tolist()
    right, bottom = np.ceil((view + camera[:2, 2]).max(axis=0) + MARGIN_PX).astype(int).tolist()
    picture = town.crop((left, top, right, bottom))
    for row in np.flatnonzero(visible > 0).tolist():
        x, y = (spots[row] - (left, top)).tolist()
        stamp(picture, sprites[row], x, y, SHADOW_PX)
    scale = math.hypot(camera[0, 0], camera[1, 0])
    soft = picture.filter(ImageFilter.GaussianBlur(0.45 * scale))
    within = np.array(camera[:2])
    within[:, 2] -= (left, top)
    frame = soft.transform(
        (WIDTH, HEIGHT),
        Image.Transform.AFFINE,
        tuple(within.ravel().tolist()),
        Image.Resampling.BICUBIC,
    )
    noisy = np.asarray(frame) + rng.normal(0, NOISE, (HEIGHT, WIDTH, 3)).astype(np.float32)
    true = np.flatnonzero(visible >= MIN_VISIBLE_FRAC * areas)
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    return FlightFrame(pixels, true + 1, boxes[true], labels[true], camera)


def _corners(rbox: Points) -> Points:
    """(4, 2) of an oriented box."""
    x, y, w, h, angle = rbox.tolist()
    cos, sin = math.cos(angle), math.sin(angle)
    half = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
    return half @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def _with_trees(picture: Image.Image, plan: Plan) -> Image.Image:
    crowns = [tree(plan.rng, radius) for radius in plan.rng.uniform(8, 20, 28)]
    spots = np.concatenate(plan.trees)
    picks = plan.rng.integers(len(crowns), size=len(spots))
    for (x, y), pick in zip(spots.tolist(), picks.tolist(), strict=True):
        if 0 < x < picture.width and 0 < y < picture.height:
            stamp(picture, crowns[pick], x, y, 0.2 * crowns[pick].width)
    return picture
