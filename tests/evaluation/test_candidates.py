"""Pairs of oriented boxes: the search leaves out none that a table of all would have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalldet.evaluation.candidates import by_iou, by_oriented_iou
from smalldet.evaluation.rows import Rows, detection_rows, truth_rows
from smalldet.geometry.rotated import rotated_intersection, rotated_iou
from tests.evaluation.by_hand import index, oriented_found, oriented_picture


def _rows(rng: np.random.Generator, num: int, ignore_share: float = 0.0) -> Rows:
    """Crowded oriented boxes of two pictures and classes, long ones and squares."""
    angles = rng.choice([0.0, np.pi / 4, -np.pi / 2, 1.0], num) + rng.normal(0, 0.1, num)
    sides = np.exp(rng.uniform(1, 3.5, (num, 2)))
    rboxes = np.column_stack([rng.uniform(0, 60, (num, 2)), sides, angles])
    return Rows(
        rng.integers(0, 2, num),
        rng.integers(0, 2, num),
        rng.uniform(0, 9, (num, 4)),  # not looked at
        np.ones(num),
        rng.random(num) < ignore_share,
        rboxes=rboxes,
    )


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 0.9]))
def test_every_pair_is_found_with_its_exact_likeness(seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    truth, found = _rows(rng, 25, ignore_share=0.2), _rows(rng, 40)
    first, second = torch.from_numpy(found.oriented), torch.from_numpy(truth.oriented)
    table = rotated_iou(first[:, None], second[None]).numpy()
    shared = rotated_intersection(first[:, None], second[None]).numpy()
    within = shared / found.oriented[:, 2:4].prod(axis=1)[:, None]
    table = np.where(truth.ignore[None], within, table)
    table[found.pictures[:, None] != truth.pictures[None]] = 0
    table[found.labels[:, None] != truth.labels[None]] = 0
    pairs = by_oriented_iou(truth, found, least)
    filled = np.zeros_like(table)
    filled[pairs.detections, pairs.objects] = pairs.likeness
    clear = np.abs(table - least) > 1e-9
    wanted = np.where(table >= least, table, 0)
    np.testing.assert_allclose(filled[clear], wanted[clear], atol=1e-9)


@given(st.integers(0, 10_000))
def test_upright_oriented_boxes_pair_as_boxes_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for num, share in ((25, 0.2), (40, 0.0)):
        one = _rows(rng, num, share)
        rboxes = one.oriented.round(1) * np.array([1, 1, 1, 1, 0])
        half = rboxes[:, 2:4] / 2
        boxes = np.concatenate([rboxes[:, :2] - half, rboxes[:, :2] + half], axis=1)
        rows.append(replace(one, boxes=boxes, rboxes=rboxes))
    truth, found = rows
    upright, turned = by_iou(truth, found, 0.3), by_oriented_iou(truth, found, 0.3)
    tables = np.zeros((2, 40, 25))
    for table, pairs in zip(tables, (upright, turned), strict=True):
        table[pairs.detections, pairs.objects] = pairs.likeness
    differing = np.abs(tables[0] - tables[1]) > 1e-9
    assert (np.abs(tables.max(axis=0)[differing] - 0.3) < 1e-9).all()


def test_boxes_without_area_are_on_nothing() -> None:
    truth = truth_rows(index(oriented_picture((0, 50, 50, 20, 10, 30))))
    found = detection_rows([oriented_found((0.9, 0, 50, 50, 20, 0, 30), (0.8, 0, 50, 50, 0, 0, 0))])
    assert len(by_oriented_iou(truth, found, 1e-6)) == 0


def test_rows_are_canonical_and_upright_where_boxes_are() -> None:
    """A mixed set: the second picture has no oriented boxes, and is not labelled for a class."""
    turned = oriented_picture((0, 50, 50, 10, 20, 0))
    plain = replace(oriented_picture((0, 50, 50, 10, 20, 0)), rboxes=None, unknown=frozenset({1}))
    rows = truth_rows(index(turned, plain))
    assert rows.oriented[:, 4] == pytest.approx([-np.pi / 2, -np.pi / 2, 0])
    assert rows.oriented[:, :4].tolist() == [[50, 50, 20, 10]] * 2 + [[500, 500, 1000, 1000]]
    assert truth_rows(index(plain)).rboxes is None
    with pytest.raises(ValueError, match="have no oriented boxes"):
        by_oriented_iou(truth_rows(index(plain)), detection_rows([oriented_found()]))
