"""Where the things of a drawn scene stand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from smalldet.demo.ground import Frame, Points, spaced

CLASS_NAMES = ("airplane", "car", "bus")
AIRPLANE, CAR, BUS = range(3)
PLACE_PX = 13  # width of a parking place


@dataclass
class Plan:
    """Places collected while the ground is drawn; the things are set on it afterwards.

    Args:
        things: (x, y, heading in radians, class) each.
        trees: (x, y) each.
    """

    rng: np.random.Generator
    things: list[tuple[float, float, float, int]] = field(default_factory=list)
    trees: list[Points] = field(default_factory=list)

    def put(self, frame: Frame, u: float, v: float, heading_rad: float, label: int) -> None:
        x, y = frame.at([(u, v)])[0]
        self.things.append((float(x), float(y), heading_rad + frame.angle_rad, label))

    def row_of_cars(
        self, frame: Frame, u1: float, u2: float, v: float, across: bool, filled_frac: float
    ) -> None:
        """Cars parked along u: nose to the side, or one behind the other."""
        step = PLACE_PX if across else 31
        for u in spaced(u1 + step / 2, u2 - step / 2, step):
            if self.rng.random() < filled_frac:
                turn = np.pi / 2 if across else 0.0
                turn += np.pi * self.rng.integers(2) + self.rng.normal(0, 0.03)
                du, dv = self.rng.normal(0, 0.5 if across else 1.5, 2)
                self.put(frame, u + du, v + dv * 0.6, turn, CAR)

    def traffic(
        self, frame: Frame, u1: float, u2: float, v: float, heading_rad: float, gap_px: float
    ) -> None:
        """Cars, and now and then a bus, driving along one lane."""
        u = u1 + self.rng.uniform(0, gap_px)
        while u < u2 - 30:
            label = BUS if self.rng.random() < 0.1 else CAR
            self.put(
                frame, u, v + self.rng.normal(0, 0.8), heading_rad + self.rng.normal(0, 0.02), label
            )
            u += (78 if label == BUS else 40) + self.rng.exponential(gap_px)

    def grove(self, frame: Frame, u1: float, v1: float, u2: float, v2: float, num: int) -> None:
        spots = self.rng.uniform((u1, v1), (u2, v2), (num, 2))
        self.trees.append(frame.at(spots))
