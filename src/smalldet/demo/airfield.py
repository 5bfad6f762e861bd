"""The airfield of a drawn scene: runway, taxiways, aprons with parked airplanes, terminal, hangars.

Lengths are pixels of 0.25 m, u along the runway, v across it towards the town.
"""

from __future__ import annotations

import numpy as np

from smalldet.demo.ground import Frame, Ground, spaced
from smalldet.demo.plan import AIRPLANE, BUS, PLACE_PX, Plan
from smalldet.demo.sprites import Colour, shaded

ASPHALT: Colour = (104, 105, 106)
RUNWAY: Colour = (88, 89, 92)
CONCRETE: Colour = (172, 168, 158)
WHITE: Colour = (222, 222, 218)
YELLOW: Colour = (196, 168, 70)
GRASS: Colour = (110, 114, 80)

APRON_V = (300, 940)
ROAD_V = 1600  # the road between airfield and town


def draw_airfield(ground: Ground, plan: Plan, frame: Frame, length_px: float) -> None:
    """Draw the field and plan its airplanes."""
    ground.fill(frame.rect(-300, -420, length_px + 300, ROAD_V - 30), GRASS, 150)
    _mown_strips(ground, plan, frame, length_px)
    taxi_u = [0.02 * length_px, 0.3 * length_px, 0.68 * length_px, 0.98 * length_px]
    shoulder = shaded(GRASS, 0.9)
    for margin, colour, rough in ((9, shoulder, 130), (0, ASPHALT, 40)):
        for u in taxi_u:
            ground.fill(frame.rect(u - 30 - margin, 0, u + 30 + margin, 240), colour, rough)
        ground.fill(
            frame.rect(-10 - margin, 200 - margin, length_px + 10, 260 + margin), colour, rough
        )
    for u in taxi_u:
        ground.line(frame.at([(u, 60), (u, 230)]), 2, YELLOW)
    ground.line(frame.at([(0, 230), (length_px, 230)]), 2, YELLOW)
    _runway(ground, plan, frame, length_px)
    _apron(ground, plan, frame, 0.16 * length_px, 0.66 * length_px)
    _light_apron(ground, plan, frame, 0.72 * length_px, 0.97 * length_px)
    for u in (0.45 * length_px, 0.62 * length_px):
        plan.put(frame, u, 230, 0.0, AIRPLANE)
    plan.put(frame, 0.2 * length_px, 60, 0.0, AIRPLANE)


def _mown_strips(ground: Ground, plan: Plan, frame: Frame, length_px: float) -> None:
    for v in spaced(-400, 1500, 46):
        tone = plan.rng.uniform(0.96, 1.05)
        ground.fill(frame.rect(-300, v, length_px + 300, v + 46), shaded(GRASS, tone), 150)
    for _ in range(40):  # worn and dry patches
        u, v = plan.rng.uniform(-200, length_px), plan.rng.uniform(-380, 1400)
        x, y = frame.at([(u, v)])[0]
        ground.disc(
            x, y, plan.rng.uniform(8, 46), shaded((138, 130, 92), plan.rng.uniform(0.9, 1.08)), 150
        )


def _runway(ground: Ground, plan: Plan, frame: Frame, length_px: float) -> None:
    ground.fill(frame.rect(-60, -9, length_px + 60, 129), shaded(GRASS, 0.86), 120)
    ground.fill(frame.rect(-40, 0, length_px + 40, 120), RUNWAY, 45)
    for lane in spaced(4, 116, 14):
        tone = plan.rng.uniform(0.95, 1.06)
        ground.fill(frame.rect(-40, lane, length_px + 40, lane + 14), shaded(RUNWAY, tone), 45)
    for end, way in ((0.0, 1), (length_px, -1)):
        for _ in range(70):  # rubber where wheels touch down
            u = end + way * (260 + plan.rng.gamma(3, 60))
            v = 60 + plan.rng.choice([-9, 9]) + plan.rng.normal(0, 5)
            reach = plan.rng.uniform(20, 90)
            tone = shaded(RUNWAY, plan.rng.uniform(0.66, 0.9))
            ground.line(frame.at([(u, v), (u + way * reach, v)]), 2, tone, 40)
        for v in (*range(10, 54, 11), *range(66, 110, 11)):
            ground.fill(frame.rect(end + way * 24, v, end + way * 140, v + 6), WHITE, 60)
        for far, deep in ((420, 90), (620, 60), (820, 60)):
            for v in (24, 84):
                ground.fill(
                    frame.rect(end + way * far, v, end + way * (far + deep), v + 12), WHITE, 70
                )
    ground.dashes(frame.at([(200, 60), (length_px - 200, 60)]), 110, 80, 3, WHITE)
    for v in (3, 117):
        ground.line(frame.at([(0, v), (length_px, v)]), 3, WHITE)


def _slabs(
    ground: Ground, plan: Plan, frame: Frame, area: tuple[float, float, float, float]
) -> None:
    """Concrete in plates of 7.5 m, each of its own age."""
    u1, v1, u2, v2 = area
    ground.fill(frame.rect(u1 - 5, v1 - 5, u2 + 5, v2 + 5), shaded(CONCRETE, 0.86), 60)
    for u in spaced(u1, u2 - 1, 30):
        for v in spaced(v1, v2 - 1, 30):
            tone = shaded(CONCRETE, plan.rng.normal(1, 0.025))
            ground.fill(frame.rect(u, v, min(u + 29, u2), min(v + 29, v2)), tone, 40)


def _stand(ground: Ground, plan: Plan, frame: Frame, u: float, v: float, heading: float) -> None:
    """A marked place for an airplane, mostly taken."""
    way = np.array([np.cos(heading), np.sin(heading)])
    ground.line(frame.at(np.array([u, v]) + np.outer((-44, 20), way)), 1.5, YELLOW)
    for _ in range(int(plan.rng.integers(1, 4))):
        x, y = frame.at([(u + plan.rng.normal(0, 10), v + plan.rng.normal(0, 8))])[0]
        ground.stain(x, y, plan.rng.uniform(2, 7), plan.rng.uniform(0.1, 0.3))
    if plan.rng.random() < 0.76:
        du, dv = plan.rng.normal(0, 2, 2)
        plan.put(frame, u + du, v + dv, heading + plan.rng.normal(0, 0.05), AIRPLANE)


def _apron(ground: Ground, plan: Plan, frame: Frame, u1: float, u2: float) -> None:
    """The main apron, its stands, and the terminal that they look at."""
    top, bottom = APRON_V
    ground.fill(frame.rect(u1 + 60, 250, u1 + 130, top + 5), ASPHALT, 40)
    ground.fill(frame.rect(u2 - 130, 250, u2 - 60, top + 5), ASPHALT, 40)
    _slabs(ground, plan, frame, (u1, top, u2, bottom))
    for v in (420, 660):
        ground.line(frame.at([(u1 + 40, v), (u2 - 40, v)]), 2, YELLOW)
    for v, heading, step in (
        (340, np.pi / 2, 74),
        (520, -0.7, 84),
        (760, -np.pi / 2, 74),
        (868, np.pi / 2, 86),
    ):
        for u in spaced(u1 + 60, u2 - 50, step):
            if int((u - u1) / 420) % 5 != 4 or v > 800:
                _stand(ground, plan, frame, u, v, heading)
    middle, reach = (u1 + u2) / 2, (u2 - u1) * 0.36
    ground.fill(frame.rect(u1 + 20, bottom, u2, 1130), shaded(CONCRETE, 0.92), 45)
    ground.fill(frame.rect(middle - 40, 1110, middle + 40, ROAD_V + 40), ASPHALT, 40)
    hall = frame.rect(middle - reach, 950, middle + reach, 1050)
    ground.cast(hall, 26)
    ground.roof(hall, (202, 204, 206))
    for u in spaced(middle - reach + 20, middle + reach - 30, 58):
        ground.roof(frame.rect(u, 962, u + 36, 984), (126, 146, 160), 20)
        ground.roof(frame.rect(u, 1012, u + 14, 1026), (164, 164, 160))
    nave = frame.rect(middle - 150, 945, middle + 150, 1085)
    ground.cast(nave, 12)
    ground.roof(nave, (224, 224, 220))
    ground.roof(frame.rect(middle - 130, 1000, middle + 130, 1030), (112, 132, 148), 20)
    _car_park(ground, plan, frame, (u1 + 80, 1150, middle - 60, 1500))
    _car_park(ground, plan, frame, (middle + 60, 1150, u2 - 60, 1500))


def _car_park(
    ground: Ground, plan: Plan, frame: Frame, area: tuple[float, float, float, float]
) -> None:
    u1, v1, u2, v2 = area
    ground.fill(frame.rect(u1 - 40, v1 - 64, u2 + 40, v1 - 24), ASPHALT, 35)
    for v in (v1 - 52, v1 - 36):
        for u in spaced(u1, u2 - 60, 190):
            if plan.rng.random() < 0.35:
                plan.put(frame, u, v, np.pi * (v < v1 - 44), BUS)
    ground.fill(frame.rect(u1, v1 - 24, u2, v2), (118, 117, 114), 45)
    for v in spaced(v1 + 10, v2 - 50, 88):
        ground.fill(frame.rect(u1 + 20, v + 26, u2 - 20, v + 29), (150, 150, 146), 40)
        for u in spaced(u1 + 20, u2 - 20, PLACE_PX):
            ground.line(frame.at([(u, v + 2), (u, v + 54)]), 1, (176, 176, 172))
        busy = plan.rng.uniform(0.1, 0.5)
        for gap_u in spaced(u1 + 20, u2 - 60, 330):
            end = min(gap_u + 300, u2 - 20)
            plan.row_of_cars(frame, gap_u, end, v + 14, True, busy)
            plan.row_of_cars(frame, gap_u, end, v + 41, True, busy * 0.9)
            if end < u2 - 60:
                ground.fill(frame.rect(end + 4, v, end + 26, v + 51), shaded(GRASS, 0.8), 150)
                plan.grove(frame, end + 15, v + 10, end + 15.1, v + 42, 2)


def _light_apron(ground: Ground, plan: Plan, frame: Frame, u1: float, u2: float) -> None:
    """Hangars, and small airplanes parked as their owners like."""
    ground.fill(frame.rect(u1 + 90, 250, u1 + 150, 330), ASPHALT, 40)
    ground.fill(frame.rect(u1, 320, u2, 760), shaded(ASPHALT, 1.12), 50)
    for v in (370, 460, 560, 650):
        for u in spaced(u1 + 50, u2 - 40, 66):
            if plan.rng.random() < 0.6:
                _stand(
                    ground,
                    plan,
                    frame,
                    u,
                    v,
                    np.pi / 2 + plan.rng.normal(0, 0.25) + np.pi * (v % 20 == 0),
                )
    for u in spaced(u1 + 10, u2 - 170, 190):
        hangar = frame.rect(u, 770, u + 160, 890)
        ground.cast(hangar, 30)
        tone = plan.rng.choice([0.8, 0.95, 1.1])
        ground.roof(hangar, shaded((186, 188, 190), tone))
        ground.roof(frame.rect(u, 770, u + 160, 830), shaded((186, 188, 190), tone * 0.88))
        for seam in spaced(u + 10, u + 155, 13):
            ground.line(
                frame.at([(seam, 772), (seam, 888)]), 1, shaded((170, 172, 174), tone * 0.92)
            )
    for u in spaced(u1 + 30, u2 - 40, 84):  # fuel tanks
        if plan.rng.random() < 0.6:
            x, y = frame.at([(u, 1040)])[0]
            around = np.linspace(0, 2 * np.pi, 32)[:-1]
            circle = np.stack([np.cos(around), np.sin(around)], -1)
            ground.cast(circle * 30 + (x, y), 22)
            ground.roof(circle * 30 + (x, y), (214, 214, 210))
            ground.roof(circle * 24 + (x + 2, y + 2), (226, 226, 222))
