"""The town and the fields of a drawn scene. Lengths are pixels of 0.25 m."""

from __future__ import annotations

import itertools
from itertools import pairwise

import numpy as np

from smalldet.demo.ground import Frame, Ground, spaced
from smalldet.demo.plan import CAR, PLACE_PX, Plan
from smalldet.demo.sprites import Colour, shaded

STREET: Colour = (112, 111, 110)
PAVEMENT: Colour = (158, 154, 148)
GARDEN: Colour = (98, 108, 66)
FIELDS: tuple[Colour, ...] = (
    (126, 128, 76), (150, 138, 96), (96, 112, 62), (168, 152, 112), (112, 96, 72), (138, 142, 88),
)  # fmt: skip
ROOFS: tuple[Colour, ...] = (
    (146, 100, 84),
    (126, 84, 70),
    (104, 98, 96),
    (124, 110, 98),
    (88, 90, 96),
)

STREET_PX = 44
Area = tuple[float, float, float, float]


def draw_countryside(ground: Ground, plan: Plan) -> None:
    """Fields in strips, with hedges and groves between them."""
    width, height = ground.size
    frame = Frame(-400, -300, 0.09)
    for v in spaced(0, height + 900, 620):
        u = -float(plan.rng.uniform(0, 500))
        while u < width + 900:
            wide = plan.rng.uniform(380, 900)
            colour = shaded(
                FIELDS[int(plan.rng.integers(len(FIELDS)))], plan.rng.uniform(0.92, 1.06)
            )
            ground.fill(frame.rect(u, v, u + wide, v + 620), colour, 150)
            for row in spaced(u + 5, u + wide, plan.rng.uniform(8, 15)):
                ground.line(frame.at([(row, v), (row, v + 620)]), 2, shaded(colour, 0.95), 150)
            num = int(plan.rng.choice([0, 12, 36]))
            plan.grove(frame, u - 6, v, u + 6, v + 620, num)
            plan.grove(frame, u, v - 8, u + wide, v + 8, num)
            u += wide


def draw_town(ground: Ground, plan: Plan, frame: Frame, length_px: float, depth_px: float) -> None:
    """Streets in a grid, houses with gardens, markets with car parks, a main road on top."""
    ground.fill(frame.rect(-400, 0, length_px + 400, depth_px + 200), shaded(GARDEN, 1.05), 150)
    columns = _crossings(plan, 0, length_px, 300, 620)
    rows = _crossings(plan, 110, depth_px + 320, 240, 330)
    for (u1, u2), (v1, v2) in itertools.product(pairwise(columns), pairwise(rows)):
        block = (u1 + 32, v1 + 32, u2 - 32, v2 - 32)
        ground.fill(frame.rect(u1, v1, u2, v2), PAVEMENT, 45)
        ground.fill(frame.rect(*block), shaded(GARDEN, plan.rng.uniform(0.85, 1.12)), 150)
        draw_block = BLOCKS[int(plan.rng.choice(4, p=[0.52, 0.15, 0.2, 0.13]))]
        draw_block(ground, plan, frame, block)
    for v in rows:
        _street(ground, plan, frame.moved(0, v), columns)
    for u in columns:
        _street(ground, plan, frame.moved(u, 0, np.pi / 2), rows)
    _main_road(ground, plan, frame, length_px)


def _crossings(plan: Plan, start: float, stop: float, low: float, high: float) -> list[float]:
    places = [float(start)]
    while places[-1] < stop:
        places.append(places[-1] + float(plan.rng.uniform(low, high)))
    return places


def _street(ground: Ground, plan: Plan, frame: Frame, crossings: list[float]) -> None:
    """Two lanes along u, with cars parked at both kerbs, away from the crossings."""
    half = STREET_PX / 2
    ground.fill(frame.rect(crossings[0], -half, crossings[-1], half), STREET, 40)
    busy = plan.rng.uniform(0.02, 0.22)
    for start, stop in pairwise(crossings):
        inner = (start + 44, stop - 44)
        ground.dashes(frame.at([(inner[0], 0), (inner[1], 0)]), 12, 18, 1.2, (190, 190, 186))
        for side in (-1, 1):
            plan.row_of_cars(frame, *inner, side * (half - 6), False, busy)
            if plan.rng.random() < 0.3:
                # Traffic keeps to the right of the street.
                plan.put(frame, plan.rng.uniform(*inner), side * 5.5, np.pi * (side < 0), CAR)


def _main_road(ground: Ground, plan: Plan, frame: Frame, length_px: float) -> None:
    ground.fill(frame.rect(-400, -12, length_px + 400, 96), PAVEMENT, 45)
    ground.fill(frame.rect(-400, 0, length_px + 400, 84), shaded(STREET, 0.9), 40)
    ground.fill(frame.rect(-400, 38, length_px + 400, 46), shaded(GARDEN, 0.95), 150)
    for v in (19, 65):
        ground.dashes(frame.at([(-400, v), (length_px + 400, v)]), 18, 30, 1.5, (214, 214, 210))
    for v in (2, 36, 48, 82):
        ground.line(frame.at([(-400, v), (length_px + 400, v)]), 1.5, (204, 204, 200))
    for v, heading in ((9, np.pi), (28, np.pi), (56, 0.0), (75, 0.0)):
        plan.traffic(frame, -300, length_px + 300, v, heading, 150)


def _houses(ground: Ground, plan: Plan, frame: Frame, block: Area) -> None:
    u1, v1, u2, v2 = block
    middle = (v1 + v2) / 2
    for row, v in enumerate((v1 + 16, middle + 14)):
        for u in spaced(u1 + 8, u2 - 60, 76):
            ground.fill(
                frame.rect(u - 4, v - 14, u + 70, v + 90),
                shaded(GARDEN, plan.rng.uniform(0.85, 1.2)),
                150,
            )
            wide, deep = plan.rng.uniform(38, 54), plan.rng.uniform(34, 46)
            near = v + plan.rng.uniform(0, 14) + 20 * row
            _gable(ground, plan, frame, (u + 4, near, u + 4 + wide, near + deep))
            ground.fill(
                frame.rect(u + wide + 5, v - 16, u + wide + 15, near + 30), (150, 146, 140), 40
            )
            if plan.rng.random() < 0.08:
                pool = frame.rect(u + 24, near + deep + 8, u + 38, near + deep + 15)
                ground.fill(pool, (120, 176, 190), 20)
            garden_v = near + deep + 16 if row == 0 else v - 6
            plan.grove(frame, u + 8, garden_v, u + 60, garden_v + 18, int(plan.rng.integers(0, 4)))


def _gable(ground: Ground, plan: Plan, frame: Frame, area: Area) -> None:
    u1, v1, u2, v2 = area
    colour = shaded(ROOFS[int(plan.rng.integers(len(ROOFS)))], plan.rng.uniform(0.9, 1.12))
    ground.cast(frame.rect(*area), 17)
    ground.roof(frame.rect(*area), colour, 70)
    if plan.rng.random() < 0.6:
        ridge = (v1 + v2) / 2
        ground.roof(frame.rect(u1, v1, u2, ridge), shaded(colour, 0.78), 70)
        ground.line(frame.at([(u1, ridge), (u2, ridge)]), 1.5, shaded(colour, 1.15))
    else:
        ridge = (u1 + u2) / 2
        ground.roof(frame.rect(u1, v1, ridge, v2), shaded(colour, 0.82), 70)
        ground.line(frame.at([(ridge, v1), (ridge, v2)]), 1.5, shaded(colour, 1.15))
    u, v = plan.rng.uniform(u1 + 6, u2 - 8), plan.rng.uniform(v1 + 6, v2 - 8)
    ground.roof(frame.rect(u, v, u + 4, v + 4), (92, 84, 80))


def _market(ground: Ground, plan: Plan, frame: Frame, block: Area) -> None:
    """A flat roof with air conditioners, and its car park."""
    u1, v1, u2, v2 = block
    ground.fill(frame.rect(*block), (124, 122, 118), 45)
    split = u1 + (u2 - u1) * plan.rng.uniform(0.38, 0.5)
    hall, tone = (u1 + 12, v1 + 14, split, v2 - 12), plan.rng.uniform(0.75, 1.1)
    ground.cast(frame.rect(*hall), 26)
    ground.roof(frame.rect(*hall), shaded((190, 188, 184), tone))
    ground.roof(frame.rect(u1 + 16, v1 + 18, split - 4, v2 - 16), shaded((178, 177, 174), tone))
    for _ in range(9):
        u, v = plan.rng.uniform(u1 + 24, split - 24), plan.rng.uniform(v1 + 26, v2 - 36)
        ground.cast(frame.rect(u, v, u + 9, v + 7), 5)
        ground.roof(frame.rect(u, v, u + 9, v + 7), (208, 208, 206))
    busy = plan.rng.uniform(0.1, 0.5)
    for v in spaced(v1 + 18, v2 - 54, 86):
        for u in spaced(split + 22, u2 - 6, PLACE_PX):
            ground.line(frame.at([(u, v), (u, v + 52)]), 1, (182, 182, 178))
        plan.row_of_cars(frame, split + 22, u2 - 8, float(v) + 13, True, busy)
        plan.row_of_cars(frame, split + 22, u2 - 8, float(v) + 39, True, busy)


def _flats(ground: Ground, plan: Plan, frame: Frame, block: Area) -> None:
    u1, v1, u2, v2 = block
    for u in spaced(u1 + 40, u2 - 90, 150):
        house = frame.rect(u, v1 + 30, u + 56, v2 - 24)
        ground.cast(house, 58)
        tone = plan.rng.uniform(0.8, 1.15)
        ground.roof(house, shaded((150, 144, 138), tone))
        ground.roof(frame.rect(u + 3, v1 + 33, u + 53, v2 - 27), shaded((136, 132, 128), tone))
        for v in spaced(v1 + 50, v2 - 50, 62):
            ground.cast(frame.rect(u + 20, v, u + 36, v + 18), 8)
            ground.roof(frame.rect(u + 20, v, u + 36, v + 18), (176, 172, 166))
        plan.grove(frame, u + 74, v1 + 20, u + 116, v2 - 20, 9)


def _park(ground: Ground, plan: Plan, frame: Frame, block: Area) -> None:
    u1, v1, u2, v2 = block
    for start, stop in (((u1, v1), (u2, v2)), ((u1, v2), (u2, v1))):
        ground.line(frame.at([start, stop]), 9, (176, 164, 138), 90)
    plan.grove(frame, u1 + 16, v1 + 16, u2 - 16, v2 - 16, 70)


BLOCKS = (_houses, _market, _flats, _park)
