"""Tiles that nobody asked for fit the objects, and what was asked for stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smalldet.data.index import Index
from smalldet.training.recipe import recipe_for_labels
from smalldet.training.sections import SourceConfig
from smalldet.training.setup import fitted
from smalldet.training.sources import read_sources
from smalldet.training.tile_side import fitting_tile_px


@pytest.fixture
def index(draw_set: Callable[..., Path]) -> Index:
    return read_sources([SourceConfig(annotations=draw_set())], None)


def with_sides(index: Index, sides: list[float]) -> Index:
    boxes = np.array([[0, 0, side, side] for side in sides], np.float32).reshape(-1, 4)
    labels, flags = np.zeros(len(sides), np.int64), np.zeros(len(sides), bool)
    record = replace(index.records[0], boxes=boxes, labels=labels, ignore=flags, difficult=flags)
    return Index(index.class_names, (record,))


@pytest.mark.parametrize(
    ("sides", "tile_px"),
    [
        ([5.0] * 9, 256),
        ([39.0] * 9, 320),
        ([100.0] * 9, 640),
        ([], 640),
        ([9.0] * 99 + [400], 256),
    ],
)
def test_tiles_hold_nearly_all_objects(index: Index, sides: list[float], tile_px: int) -> None:
    assert fitting_tile_px(with_sides(index, sides).object_sides()) == tile_px


def test_tiles_are_multiples_of_a_model_s_stride(index: Index) -> None:
    sides = with_sides(index, [39.0] * 9).object_sides()
    assert fitting_tile_px(sides, max_stride=128) == 384
    assert fitting_tile_px(sides, max_stride=56) == 336  # RF-DETR of patches of 14 px
    assert fitting_tile_px(sides[:0], max_stride=56) == 560


def test_a_recipe_is_fitted_only_where_it_is_silent(index: Index, tmp_path: Path) -> None:
    silent = fitted(recipe_for_labels(tmp_path / "data"), index).data
    assert (silent.tile_px, silent.predict_tile_px) == (256, 640)
    told = recipe_for_labels(tmp_path / "data", ("data.tile_px=128",))
    assert fitted(told, index).data == told.data
