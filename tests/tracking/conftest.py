"""Small flights: squares that drive over a ground with details, seen by a camera that moves."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalldet.imagery import Scene, open_scene
from smalldet.tracking import frames

WIDTH, HEIGHT, SIDE = 192, 128, 6
NUM_FRAMES = 12
PAN_PX = (9, 4)
"""More a frame than a square is long: without the camera's motion nothing would meet."""


@dataclass(frozen=True)
class Flight:
    """Frames as pictures and their true tracks as MOT text."""

    folder: Path
    truth: Path
    boxes: list[NDArray[np.float64]]


def ground(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Dark, with corners to follow."""
    coarse = rng.integers(10, 110, (60, 80, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.NEAREST))


def draw_flight(folder: Path, num_vehicles: int = 5, num_frames: int = NUM_FRAMES) -> Flight:
    rng = np.random.default_rng(3)
    town = ground(rng)
    starts = np.stack(
        [120 + 25 * np.arange(num_vehicles), 70 + 15 * np.arange(num_vehicles)], axis=1
    )
    speeds = rng.integers(-3, 4, (num_vehicles, 2))
    lines: list[str] = []
    boxes: list[NDArray[np.float64]] = []
    pictures = folder / "frames"
    pictures.mkdir(parents=True)
    for number in range(1, num_frames + 1):
        corner = np.array([40, 30]) + (number - 1) * np.array(PAN_PX)
        picture = town[corner[1] : corner[1] + HEIGHT, corner[0] : corner[0] + WIDTH].copy()
        seen: list[NDArray[np.float64]] = []
        for vehicle, (start, speed) in enumerate(zip(starts, speeds, strict=True), 1):
            x, y = (start + speed * (number - 1) - corner).tolist()
            if 1 < x < WIDTH - SIDE - 1 and 1 < y < HEIGHT - SIDE - 1:
                picture[y - 1 : y + SIDE + 1, x - 1 : x + SIDE + 1] = 0
                picture[y : y + SIDE, x : x + SIDE] = (230, 0, 220)
                lines.append(f"{number},{vehicle},{x},{y},{SIDE},{SIDE},1,1,1")
                seen.append(np.array([x, y, x + SIDE, y + SIDE], dtype=np.float64))
        boxes.append(np.array(seen).reshape(-1, 4))
        # a name without leading zeros: frame 10 comes after frame 9
        Image.fromarray(picture).save(pictures / f"frame{number}.png")
    truth = folder / "gt.txt"
    truth.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Flight(pictures, truth, boxes)


@pytest.fixture
def flight(tmp_path: Path) -> Flight:
    return draw_flight(tmp_path)


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Tells how many of the frames that were opened are still there."""
    alive: weakref.WeakSet[Scene] = weakref.WeakSet()

    def opened(*words: Any, **options: Any) -> Scene:
        scene = open_scene(*words, **options)
        alive.add(scene)
        return scene

    monkeypatch.setattr(frames, "open_scene", opened)
    return lambda: len(alive)
