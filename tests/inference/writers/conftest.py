"""Results with oriented boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from smalldet.geometry.oriented import enclosing_boxes
from smalldet.inference.results import Result


@pytest.fixture
def make_oriented(make_result: Callable[..., Result]) -> Callable[..., Result]:
    """Makes a result of a blank picture with oriented boxes (cx, cy, w, h, angle)."""

    def made(rboxes: Sequence[Sequence[float]], **options: Any) -> Result:
        table = torch.tensor(rboxes, dtype=torch.float32).reshape(-1, 5)
        result = make_result(enclosing_boxes(table).tolist(), **options)
        return replace(result, detections=replace(result.detections, rboxes=table))

    return made
