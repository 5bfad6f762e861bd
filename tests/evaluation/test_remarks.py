"""Odd labels and detections are named, and end in no crash."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from smalldet.detections import Detections
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

CAR = 0
ON_IT: Row = (0.9, CAR, 0, 0, 10, 10)
OBJECT: Row = (CAR, 0, 0, 10, 10)


def test_sound_input_has_no_remark() -> None:
    assert score(index(picture(OBJECT), names=("car",)), [found(ON_IT, names=("car",))]).notes == []


def test_an_empty_truth_and_an_empty_result_are_said() -> None:
    assert "the labels hold no picture: nothing is measured" in score(index(), []).notes
    report = score(index(picture()), [found()])
    assert "the labels hold no object: only false alarms are counted" in report.notes
    assert "nothing was found: no detection of any score" in report.notes
    weak = score(index(picture(OBJECT)), [found((0.1, CAR, 0, 0, 10, 10))])
    assert "nothing was found from conf 0.25 on; the strongest has 0.1" in weak.notes


def test_what_stands_twice_is_counted() -> None:
    one = picture(OBJECT, OBJECT)
    report = score(index(one, one, replace(one, image_id=8)), [found(ON_IT)] * 3)
    assert [note for note in report.notes if note.startswith("1 pictures have the id of another")]
    assert [note for note in report.notes if note.startswith("3 objects are labelled twice")]


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="boxes and scores must be finite"):
        Detections(torch.zeros(1, 4), torch.tensor([float("nan")]), torch.zeros(1).long(), ("car",))
