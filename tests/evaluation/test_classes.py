"""Which class of a model is which class of the data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes


def _truth(*names: str, unknown: frozenset[int] = frozenset()) -> Index:
    """One picture with one object of each class, at x = 10 * class."""
    boxes = np.array([[10 * i, 0, 10 * i + 5, 5] for i in range(len(names))], dtype=np.float32)
    num = len(names)
    record = ImageRecord(
        Path("a.png"),
        100,
        100,
        boxes.reshape(-1, 4),
        np.arange(num, dtype=np.int64),
        np.zeros(num, dtype=np.bool_),
        np.zeros(num, dtype=np.bool_),
        1,
        unknown=unknown,
    )
    return Index(names, (record,))


def _one_of_each(*names: str) -> Detections:
    num = len(names)
    return Detections(torch.rand(num, 4), torch.rand(num), torch.arange(num), names)


def test_names_meet_whatever_case_and_punctuation() -> None:
    match = match_classes(_truth("Person", "OtherVehicle"), ["other vehicle", "PERSON"])
    assert match.truth.class_names == ("Person", "OtherVehicle")
    assert match.table.tolist() == [1, 0]
    assert match.left_out_of_model == match.left_out_of_data == ()


def test_a_class_of_one_side_is_left_out_and_named() -> None:
    match = match_classes(
        _truth("Bicycle", "Car", unknown=frozenset({0, 1})), ["car", "truck", "bus"]
    )
    assert match.truth.class_names == ("Car",)
    assert match.truth.records[0].boxes[:, 0].tolist() == [10.0]
    assert match.truth.records[0].labels.tolist() == [0]
    assert match.truth.records[0].unknown == {0}
    assert match.left_out_of_model == ("truck", "bus")
    assert match.left_out_of_data == ("Bicycle",)
    kept = match.relabel(_one_of_each("car", "truck", "bus"))
    assert kept.labels.tolist() == [0]
    assert kept.class_names == ("Car",)


@pytest.mark.parametrize(
    "mapping", [{"car": "Vehicle", "truck": "vehicle"}, {"CAR": "Vehicle", "Truck": "VEHICLE"}]
)
def test_several_model_classes_lead_to_one_data_class(mapping: dict[str, str]) -> None:
    match = match_classes(_truth("Person", "Vehicle"), ["car", "truck", "person"], mapping)
    assert match.truth.class_names == ("Person", "Vehicle")
    assert match.table.tolist() == [1, 1, 0]


def test_the_other_direction_joins_data_classes() -> None:
    match = match_classes(
        _truth("car", "van", "ship"), ["vehicle"], {"car": "vehicle", "van": "vehicle"}
    )
    assert match.truth.class_names == ("car+van",)
    assert match.truth.records[0].labels.tolist() == [0, 0]
    assert match.data_labels.tolist() == [0]
    assert match.left_out_of_data == ("ship",)


def test_both_directions_possible_is_model_to_data() -> None:
    match = match_classes(_truth("car", "vehicle"), ["car", "vehicle"], {"car": "vehicle"})
    assert match.truth.class_names == ("vehicle",)
    assert match.table.tolist() == [0, 0]
    assert match.left_out_of_data == ("car",)


def test_the_map_goes_before_names() -> None:
    match = match_classes(_truth("car", "plane"), ["car"], {"car": "plane"})
    assert match.truth.class_names == ("plane",)
    assert match.left_out_of_data == ("car",)


def test_nothing_in_common_names_both_sides() -> None:
    with pytest.raises(ValueError, match=r"airplane.*Person.*airplane=Person"):
        match_classes(_truth("Person"), ["airplane"])


def test_a_map_to_nowhere_names_both_sides() -> None:
    with pytest.raises(ValueError, match=r"lorry=Person.*'airplane'.*'Person'"):
        match_classes(_truth("Person"), ["airplane"], {"lorry": "Person"})


def test_every_column_of_a_record_loses_the_same_objects() -> None:
    """Masks too: a record with two boxes and three masks says a wrong shape of every object."""
    truth = _truth("car", "tree", "van")
    masks = np.repeat(np.arange(3, dtype=np.uint8)[:, None], 392, axis=1)
    rboxes = np.repeat(np.arange(3, dtype=np.float32)[:, None], 5, axis=1)
    record = replace(truth.records[0], masks=masks, rboxes=rboxes)
    match = match_classes(Index(truth.class_names, (record,)), ["van", "car"])
    kept = match.truth.records[0]
    assert kept.masks is not None and kept.rboxes is not None and len(kept.boxes) == 2
    assert kept.masks[:, 0].tolist() == kept.rboxes[:, 0].tolist() == [0, 2]


def test_detections_keep_their_masks_with_their_boxes() -> None:
    match = match_classes(_truth("car", "van"), ["tree", "van", "car"])
    masks = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(-1, 2, 2)
    kept = match.relabel(replace(_one_of_each("tree", "van", "car"), masks=masks))
    assert kept.masks is not None and kept.masks[:, 0, 0].tolist() == [1, 2]
    assert kept.named() == ["van", "car"]
