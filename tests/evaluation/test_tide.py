"""What mistakes cost: on cases worked by hand, and as hotcoco counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hotcoco import COCOeval

from smalldet.data.index import Index
from smalldet.evaluation.comparison import compare
from smalldet.evaluation.errors import ERROR_KINDS, find_errors
from smalldet.evaluation.rows import coco_pair
from smalldet.evaluation.scoring import score
from smalldet.evaluation.tide import MENDED
from tests.evaluation.by_hand import Row, found, index, picture
from tests.evaluation.test_parity import _random

CAR, PERSON = 0, 1
FIRST, SECOND = (CAR, 0, 0, 10, 10), (CAR, 50, 50, 10, 10)
HIT: Row = (0.5, CAR, 0, 0, 10, 10)


def costs(detections: list[Row], *objects: Row, suffix: str = "") -> dict[str, Any]:
    """What is not 0 of the costs over all classes."""
    report = score(index(picture(*(objects or (FIRST, SECOND)))), [found(*detections)])
    values = {name: report.metrics[f"dAP_{name}{suffix}"] or 0 for name in MENDED}
    return {name: pytest.approx(value) for name, value in values.items() if abs(value) > 1e-9}


HALF = 51 / 101  # one of two objects, without a false alarm
BEHIND = 51 / 101 / 2  # the same behind one false alarm


def test_a_missed_object_costs_what_it_would_bring() -> None:
    assert costs([HIT]) == {"miss": 1 - HALF, "FN": 1 - HALF}


def test_background_and_doubles_cost_what_they_push_down() -> None:
    nothing_there: Row = (0.9, CAR, 500, 500, 10, 10)
    assert costs([HIT, nothing_there], FIRST) == {"bkg": 0.5, "FP": 0.5}
    second: Row = (0.6, CAR, 50, 50, 10, 10)
    double: Row = (0.55, CAR, 51, 50, 10, 10)  # hit, double, hit: 51 points at 1, 50 at 2/3
    assert costs([HIT, second, double]) == {"dup": 50 / 101 / 3, "FP": 50 / 101 / 3}


def test_a_loose_box_put_right_is_a_hit() -> None:
    """The object is not missed: to mend the box finds it. Without false alarms half is found; of
    the found object alone, precision is 1/2 behind the false alarm."""
    loose: Row = (0.9, CAR, 54, 50, 10, 10)
    assert costs([HIT, loose]) == {"loc": 1 - BEHIND, "FP": HALF - BEHIND, "FN": 0.5 - BEHIND}


def test_a_wrong_class_put_right_is_a_hit_of_the_right_one() -> None:
    """The mean is over both classes; a person, found too, is behind the false alarm."""
    someone = (PERSON, 100, 100, 10, 10)
    seen: list[Row] = [HIT, (0.4, PERSON, 100, 100, 10, 10), (0.9, PERSON, 50, 50, 10, 10)]
    assert costs(seen, FIRST, SECOND, someone) == {
        "cls": (1 - HALF + 0.5) / 2,
        "FP": 0.5 / 2,
        "FN": (1 - HALF) / 2,
    }


def test_mended_onto_an_object_that_is_found_the_stronger_stays() -> None:
    """The paper: if a duplicate detection is made this way, the lower scoring one is suppressed."""
    over: Row = (0.7, CAR, 500, 500, 10, 10)  # between the loose one and the hit
    loose: Row = (0.9, CAR, 4, 0, 10, 10)
    assert costs([HIT, over, loose], FIRST)["loc"] == 1 - 1 / 3
    both: list[Row] = [(0.9, CAR, 4, 0, 10, 10), (0.8, CAR, 0, 4, 10, 10)]
    assert costs(both, FIRST) == {"loc": 1}


def test_neither_class_nor_place_can_be_mended_and_goes() -> None:
    far: Row = (0.9, PERSON, 54, 50, 10, 10)
    someone = (PERSON, 100, 100, 10, 10)
    seen = [HIT, (0.4, PERSON, 100, 100, 10, 10), far]
    assert costs(seen, FIRST, SECOND, someone)["both"] == 0.5 / 2


def test_costs_of_one_size_are_of_its_objects() -> None:
    """A false alarm of 20 px costs nothing among the tiny, a missed object of 10 px does."""
    large_alarm: Row = (0.9, CAR, 500, 500, 20, 20)
    assert costs([HIT, large_alarm], suffix="_tiny") == {"miss": 1 - HALF, "FN": 1 - HALF}
    assert costs([HIT, large_alarm], suffix="_small") == {}
    seen: list[Row] = [(0.5, CAR, 50, 50, 20, 20), large_alarm]
    assert costs(seen, (CAR, 50, 50, 20, 20), FIRST, suffix="_small") == {"bkg": 0.5, "FP": 0.5}


def test_no_object_no_cost() -> None:
    report = score(index(picture(FIRST)), [found(HIT)])
    assert report.metrics["dAP_miss"] == 0
    assert report.metrics["dAP_miss_small"] is None
    assert report.per_class["person"]["dAP_bkg"] is None


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_hotcoco(seed: int, record_parity: Callable[..., None]) -> None:
    """Counts of all kinds, and the gain of all but class and place.

    Of those, what is mended onto an object that is found already goes there, where here the
    stronger stays.
    """
    drawn, detections = _random(seed)
    records = tuple(replace(r, ignore=np.zeros(len(r.boxes), np.bool_)) for r in drawn.records)
    truth = Index(drawn.class_names, records)
    comparison = compare(truth, detections, conf=0.0, max_detections=1500)
    errors = find_errors(comparison)
    evaluation: Any = COCOeval(
        *coco_pair(comparison.index, comparison.objects, comparison.detections), "bbox"
    )
    evaluation.evaluate()
    tide = evaluation.tide_errors()
    theirs = {"cls": "Cls", "loc": "Loc", "both": "Both", "dup": "Dupe", "bkg": "Bkg"}
    theirs |= {"miss": "Miss", "FP": "FP", "FN": "FN"}
    for name, kind in zip(MENDED, range(len(ERROR_KINDS)), strict=False):
        assert int((errors.kinds == kind).sum()) == tide["counts"][theirs[name]]
    ours = np.nanmean(comparison.ap_costs[:, :, 0], axis=1)
    gains = {name: tide["delta_ap"][theirs[name]] for name in MENDED}
    apart = {name: abs(gains[name] - gain) for name, gain in zip(MENDED, ours, strict=True)}
    for name in set(MENDED) - {"cls", "loc"}:
        record_parity("TIDE", "hotcoco", "dAP", apart[name])
        assert apart[name] < 1e-9
