"""The pictures of mistakes show the mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.scoring import matches_at
from smalldet.evaluation.worst import draw_worst

RED, YELLOW, GREEN = (255, 50, 50), (255, 200, 0), (60, 200, 60)


def _record(path: Path, size: tuple[int, int], boxes: list[list[float]]) -> ImageRecord:
    Image.new("RGB", size, (40, 40, 90)).save(path)
    num = len(boxes)
    return ImageRecord(
        path,
        *size,
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.zeros(num, dtype=np.int64),
        np.zeros(num, dtype=np.bool_),
        np.zeros(num, dtype=np.bool_),
        1,
    )


def _detections(*boxes: list[float]) -> Detections:
    num = len(boxes)
    return Detections(
        torch.tensor(boxes).reshape(-1, 4),
        torch.full((num,), 0.9),
        torch.zeros(num, dtype=torch.long),
        ("car",),
    )


def _near(picture: Image.Image, place: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    """Whether the colour stands at the place, as far as JPEG keeps it."""
    x, y = place
    patch = np.asarray(picture)[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(int)
    return bool((np.abs(patch - colour).max(axis=1) < 90).any())


def test_pictures_come_worst_first_and_only_with_mistakes(tmp_path: Path) -> None:
    good, bad, worse = (
        _record(tmp_path / f"{name}.png", (64, 48), [[10, 10, 20, 20]])
        for name in ("good", "bad", "worse")
    )
    hit = [10.0, 10.0, 20.0, 20.0]
    detections = [
        _detections(hit),
        _detections(hit, [40.0, 10.0, 50.0, 20.0]),
        _detections([40.0, 10.0, 50.0, 20.0], [40.0, 30.0, 50.0, 40.0]),
    ]
    matches = matches_at(Index(("car",), (good, bad, worse)), detections, 0.25)
    paths = draw_worst(*matches, tmp_path)
    assert [path.name for path in paths] == ["worst_01.jpg", "worst_02.jpg"]
    with Image.open(paths[0]) as picture:
        assert picture.size == (64 * 16, 48 * 16)  # enlarged to be seen
        assert _near(picture, (10 * 16, 15 * 16), YELLOW)
        assert _near(picture, (50 * 16, 35 * 16), RED)
    with Image.open(paths[1]) as picture:
        assert _near(picture, (10 * 16, 15 * 16), GREEN)
    assert draw_worst(*matches, tmp_path, limit=1) == paths[:1]


def test_of_a_large_picture_the_window_with_the_mistakes_is_shown(tmp_path: Path) -> None:
    record = _record(tmp_path / "large.png", (2500, 1100), [[2400, 1050, 2420, 1070]])
    matches = matches_at(Index(("car",), (record,)), [_detections()], 0.25)
    (path,) = draw_worst(*matches, tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (1024, 1024)
        assert _near(picture, (2400 - (2500 - 1024), 1060 - (1100 - 1024)), YELLOW)


def test_oriented_boxes_are_drawn_as_they_lie(tmp_path: Path) -> None:
    record = _record(tmp_path / "a.png", (64, 64), [[14, 14, 50, 50]])
    record = replace(record, rboxes=np.array([[32, 32, 40, 8, np.pi / 4]], dtype=np.float32))
    index, matches = matches_at(Index(("car",), (record,)), [Detections.empty(("car",))], 0.25)
    [path] = draw_worst(index, matches, tmp_path / "out")
    picture = Image.open(path)
    scale = picture.width // 64
    assert _near(picture, (46 * scale, 46 * scale), YELLOW), "its end, along the diagonal"
    assert not _near(picture, (46 * scale, 18 * scale), YELLOW), "a corner of the upright box"
