"""The demo's counts, on detections whose right answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from smalldet.data.index import ImageRecord, Index
from smalldet.demo.tally import Tally, found_counts, tally, tally_table
from smalldet.detections import Detections
from smalldet.geometry.oriented import enclosing_boxes

NAMES = ("airplane", "car")
BOXES = np.array(
    [[10, 10, 50, 50], [100, 10, 120, 30], [200, 10, 210, 20], [300, 10, 310, 20]], np.float32
)


def truth() -> Index:
    none = np.zeros(4, dtype=np.bool_)
    labels = np.array([0, 0, 1, 1], dtype=np.int64)
    return Index(NAMES, (ImageRecord(Path("s.tif"), 400, 100, BOXES, labels, none, none, 1),))


def detections() -> Detections:
    """Three are right, one twice; one car is missed, one truck and one car are not there."""
    boxes = torch.tensor(
        [*BOXES[:3].tolist(), [11, 11, 50, 50], [350, 50, 358, 58], [60, 60, 70, 70]]
    )
    labels = torch.tensor([1, 1, 2, 1, 2, 0])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.9])
    return Detections(boxes, scores, labels, ("truck", "airplane", "car"))


def test_counts_by_class_and_size() -> None:
    assert tally(truth(), detections(), conf=0.3) == [
        Tally("airplane", "small", 1, 1, 0),
        Tally("airplane", "medium", 1, 1, 1),
        Tally("airplane", "all", 2, 2, 1),
        Tally("car", "tiny", 2, 1, 1),
        Tally("car", "all", 2, 1, 1),
    ]


def test_weak_detections_do_not_count() -> None:
    rows = {(row.class_name, row.size): row for row in tally(truth(), detections(), conf=0.75)}
    assert rows["car", "all"] == Tally("car", "all", 2, 0, 0)
    assert rows["car", "all"].num_missed == 2
    assert rows["airplane", "all"].num_false == 0


def test_oriented_boxes_count_by_themselves() -> None:
    """One that lies across its object is a false alarm, though the upright boxes are the same."""
    rboxes = np.array([[50, 50, 30, 8, 0.7], [150, 50, 30, 8, 0.7]], np.float32)
    boxes = enclosing_boxes(torch.from_numpy(rboxes)).numpy()
    none = np.zeros(2, dtype=np.bool_)
    labels = np.array([1, 1], dtype=np.int64)
    record = ImageRecord(Path("s.tif"), 400, 100, boxes, labels, none, none, 1, rboxes=rboxes)
    turned = torch.from_numpy(rboxes * np.float32([1, 1, 1, 1, 1]))
    turned[1, 4] = -0.7
    found = Detections(
        enclosing_boxes(turned), torch.tensor([0.9, 0.8]), torch.tensor([1, 1]), NAMES, turned
    )
    oriented = Index(NAMES, (record,))
    assert tally(oriented, found, conf=0.3) == [
        Tally("airplane", "all", 0, 0, 0),
        Tally("car", "tiny", 2, 1, 1),
        Tally("car", "all", 2, 1, 1),
    ]
    upright = tally(oriented, replace(found, rboxes=None), conf=0.3)
    assert upright[-1] == Tally("car", "all", 2, 2, 0)


def test_nothing_found() -> None:
    rows = tally(truth(), Detections.empty(NAMES), conf=0.3)
    assert sum(row.num_missed for row in rows if row.size == "all") == 4


def test_table_says_the_counts() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(tally_table(tally(truth(), detections(), conf=0.3)))
    text = captured.get()
    assert "tiny (8-16)" in text
    assert "50" in text


def test_found_counts_names_what_was_found() -> None:
    assert dict(found_counts(detections())) == {"truck": 1, "airplane": 3, "car": 2}
