"""Each false alarm and each miss is one kind of mistake, and the one that the paper means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.detections import Detections
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.errors import ERROR_KINDS, Errors, find_errors
from tests.evaluation.by_hand import found, index, picture

CAR, PERSON = 0, 1


def compared(pictures: list[Any], detections: list[Detections], conf: float = 0.25) -> Comparison:
    return compare(index(*pictures), detections, conf=conf, max_detections=1500)


def rows(errors: Errors) -> list[tuple[str, int, int]]:
    """(kind, detection, object) of each error."""
    kinds = [ERROR_KINDS[kind] for kind in errors.kinds]
    return list(zip(kinds, errors.detections.tolist(), errors.objects.tolist(), strict=True))


# One object of 10 x 10 px in a corner; a box moved by x px has IoU (10 - x) / (10 + x) with it.
OBJECT = (CAR, 0, 0, 10, 10)


@pytest.mark.parametrize(
    ("found_row", "kind", "about"),
    [
        ((0.9, PERSON, 0, 0, 10, 10), "classification", 0),  # IoU 1 of the wrong class
        ((0.9, CAR, 4, 0, 10, 10), "localisation", 0),  # 0.43
        ((0.9, CAR, 8, 0, 10, 10), "localisation", 0),  # 0.11
        ((0.9, CAR, 9, 0, 10, 10), "background", -1),  # 0.05
        ((0.9, PERSON, 4, 0, 10, 10), "both", 0),
        ((0.9, PERSON, 9, 0, 10, 10), "background", -1),
        ((0.9, CAR, 500, 500, 10, 10), "background", -1),
    ],
)
def test_a_false_alarm_is_what_keeps_it_from_its_object(
    found_row: tuple[float, ...], kind: str, about: int
) -> None:
    """A mistake of class or place explains the miss too; the others leave it to be told."""
    errors = find_errors(compared([picture(OBJECT)], [found(found_row)]))
    alone = kind in ("classification", "localisation")
    assert rows(errors) == [(kind, 0, about)] + ([] if alone else [("missed", -1, 0)])


def test_the_weaker_of_two_on_an_object_is_a_duplicate() -> None:
    errors = find_errors(
        compared([picture(OBJECT)], [found((0.8, CAR, 0, 0, 10, 10), (0.9, CAR, 1, 0, 10, 10))])
    )
    assert rows(errors) == [("duplicate", 1, 0)]
    assert errors.scores == pytest.approx([0.8])


def test_a_mistake_is_about_the_nearest_object_of_its_picture() -> None:
    """The same place in another picture is nothing, and a nearer object of the class wins."""
    pictures = [picture(), picture((CAR, 0, 0, 10, 10), (CAR, 9, 0, 10, 10))]
    alone = found((0.9, CAR, 5, 0, 10, 10))
    errors = find_errors(compared(pictures, [alone, alone]))
    assert rows(errors) == [("background", 0, -1), ("localisation", 1, 1), ("missed", -1, 0)]
    assert errors.pictures.tolist() == [0, 1, 1]
    assert errors.labels.tolist() == [CAR] * 3
    assert errors.boxes[-1].tolist() == [0, 0, 10, 10]


def test_ignored_objects_and_what_they_excuse_are_no_mistakes() -> None:
    here = picture((CAR, 0, 0, 100, 100), ignore=(0,))
    found_here = found((0.9, CAR, 10, 10, 10, 10), (0.8, PERSON, 10, 10, 10, 10))
    errors = find_errors(compared([here], [found_here]))
    assert rows(errors) == [("background", 1, -1)]


def test_what_is_too_weak_to_count_is_a_miss() -> None:
    weak = compared([picture(OBJECT)], [found((0.9, CAR, 50, 50, 9, 9), (0.2, CAR, 0, 0, 10, 10))])
    assert rows(find_errors(weak)) == [("background", 0, -1), ("missed", -1, 0)]
    assert rows(find_errors(weak, conf=0.1)) == [("background", 0, -1)]


@pytest.mark.parametrize("num_pictures", [0, 1])
def test_nothing_to_find_and_nothing_found(num_pictures: int) -> None:
    assert len(find_errors(compared([picture()] * num_pictures, [found()] * num_pictures))) == 0


_row = st.tuples(st.integers(0, 1), *[st.integers(0, 24)] * 2, *[st.integers(4, 12)] * 2)
_scene = st.lists(_row, max_size=6)


@given(
    objects=st.lists(_scene, min_size=2, max_size=2), seen=st.lists(_scene, min_size=2, max_size=2)
)
def test_every_false_alarm_and_every_miss_has_one_kind(objects: Any, seen: Any) -> None:
    """Against the definition, written once more box by box."""
    detections = [
        found(*((0.99 - i / 50, *row) for i, row in enumerate(of_picture))) for of_picture in seen
    ]
    comparison = compared([picture(*of_picture) for of_picture in objects], detections)
    errors, matches = find_errors(comparison), comparison.at_conf
    by_detection = dict(zip(errors.detections.tolist(), rows(errors), strict=True))
    by_detection.pop(-1, None)
    assert sorted(by_detection) == np.flatnonzero(matches.false_alarm).tolist()
    explained = set()
    for detection, (kind, _, about) in by_detection.items():
        own, other = _best_overlaps(comparison, detection)
        expected = _expected(own, other)
        assert kind == expected
        if kind in ("classification", "localisation"):
            explained.add(about)
    missed = {about for kind, _, about in rows(errors) if kind == "missed"}
    assert missed == set(np.flatnonzero(matches.missed).tolist()) - explained


def _best_overlaps(comparison: Comparison, detection: int) -> tuple[float, float]:
    found_rows, objects = comparison.detections, comparison.objects
    best = [0.0, 0.0]
    for row in np.flatnonzero(objects.pictures == found_rows.pictures[detection]):
        a, b = objects.boxes[row], found_rows.boxes[detection]
        width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        inter = width * height
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
        other = int(objects.labels[row] != found_rows.labels[detection])
        best[other] = max(best[other], inter / union)
    return best[0], best[1]


def _expected(own: float, other: float) -> str:
    if 0.1 <= own < 0.5:
        return "localisation"
    if other >= 0.5:
        return "classification"
    if own >= 0.5:
        return "duplicate"
    return "both" if other >= 0.1 else "background"
