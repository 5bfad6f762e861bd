"""Detections as people use them at the prompt: one by one, counted, and in few words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smalldet.detections import Detection, Detections

NAMES = ("car", "bus", "van")


@pytest.fixture
def found() -> Detections:
    boxes = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 10]])
    return Detections(boxes, torch.tensor([0.75, 0.5, 0.25]), torch.tensor([1, 0, 1]), NAMES)


def test_one_detection_has_its_fields_by_name(found: Detections) -> None:
    first = found[0]
    assert first == Detection((1, 2, 3, 4), 0.75, 1, "bus") and first.rbox is None
    assert found[-1].box == (9, 9, 10, 10) == found[np.int64(2)].box
    assert [one.class_name for one in found] == ["bus", "car", "bus"] == found.named()
    for outside in (3, -4):
        with pytest.raises(IndexError, match=f"there are 3 detections and no number {outside}"):
            found[outside]


def test_parts_stay_detections(found: Detections) -> None:
    for part in (slice(0, 2), torch.tensor([0, 1]), found.scores > 0.3):
        assert len(found[part]) == 2 and isinstance(found[part], Detections)


def test_oriented_ones_tell_their_oriented_box(found: Detections) -> None:
    rboxes = torch.tensor([[2.0, 3, 2, 2, 0.5]]).expand(3, 5)
    turned = Detections(found.boxes, found.scores, found.labels, NAMES, rboxes=rboxes)
    assert turned[1].rbox == (2, 3, 2, 2, 0.5)


def test_they_say_how_many_of_what(found: Detections) -> None:
    assert repr(found) == "Detections(3: 2 bus, 1 car)" and found.counts() == {"bus": 2, "car": 1}
    assert repr(Detections.empty(NAMES)) == "Detections(0)" and list(found[:0]) == []
    many = tuple("abcdefghij")
    boxes = torch.zeros(10, 4)
    crowd = Detections(boxes, boxes[:, 0], torch.arange(10), many)
    assert repr(crowd) == "Detections(10: 1 a, 1 b, 1 c, 1 d, 1 e, 1 f, ...)"
