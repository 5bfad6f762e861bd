"""Index: classes of a run, and what becomes of objects it does not know."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smalldet.data.index import ImageRecord, Index, joined


def index(names: tuple[str, ...], labels: list[int]) -> Index:
    num = len(labels)
    boxes = np.arange(num, dtype=np.float32)[:, None] + np.array([0, 0, 10, 10], dtype=np.float32)
    record = ImageRecord(
        Path("a.png"), 50, 50, boxes, np.array(labels, np.int64), np.zeros(num, bool),
        np.zeros(num, bool), image_id=1,
    )  # fmt: skip
    return Index(names, (record,))


def test_names_meet_whatever_their_spelling_and_by_map():
    data = index(("OtherVehicle", "Car", "boat"), [0, 1, 2, 1])
    run = data.renamed(["car", "ship", "other vehicle"], {"Boat": "Ship"})
    assert run.class_names == ("car", "ship", "other vehicle")
    assert run.records[0].labels.tolist() == [2, 0, 1, 0]
    assert run.counts() == {"car": 2, "ship": 1, "other vehicle": 1}


def test_a_foreign_object_is_ignored_by_every_class():
    run = index(("car", "tree"), [1, 0]).renamed(["car", "ship"]).records[0]
    assert run.labels.tolist() == [0, 0, 1]
    assert run.ignore.tolist() == [False, True, True]
    assert run.boxes[:, 0].tolist() == [1, 0, 0]


def test_every_column_follows_the_objects():
    """Masks and oriented boxes too: a foreign object stands once for each class of the run."""
    data = index(("car", "tree"), [1, 0])
    columns = {
        "rboxes": np.array([[1] * 5, [2] * 5], np.float32),
        "masks": np.array([[1] * 392, [2] * 392], np.uint8),
    }
    run = Index(data.class_names, (replace(data.records[0], **columns),)).renamed(["car", "ship"])
    for name in columns:
        assert getattr(run.records[0], name)[:, 0].tolist() == [2, 1, 1]


def test_unknown_classes_are_marked():
    run = index(("car",), [0]).renamed(["ship", "car"], unknown=["Ship"])
    assert run.records[0].unknown == {0}


def test_wrong_names_are_refused():
    data = index(("car",), [0])
    with pytest.raises(ValueError, match="map names class 'bus'"):
        data.renamed(["car"], {"bus": "car"})
    with pytest.raises(ValueError, match="map leads to class 'bus'"):
        data.renamed(["car"], {"car": "bus"})
    with pytest.raises(ValueError, match=r"unknown names \['bus'\]"):
        data.renamed(["car"], unknown=["bus"])


def test_joined_needs_the_same_classes():
    one, other = index(("car",), [0]), index(("ship",), [0])
    assert len(joined([one, one])) == 2
    with pytest.raises(ValueError, match="same classes"):
        joined([one, other])
    with pytest.raises(ValueError, match="no data sets"):
        joined([])
