"""AP at IoU 0.25, on cases worked by hand and against hotcoco."""

from __future__ import annotations

import numpy as np
import pytest
from hotcoco import COCOeval

from smalldet.evaluation.comparison import compare
from smalldet.evaluation.rows import coco_pair
from smalldet.evaluation.scoring import score
from smalldet.evaluation.size_ranges import PUBLISHED_PX
from smalldet.evaluation.sizes import closed_area_range
from tests.evaluation.by_hand import found, index, picture
from tests.evaluation.test_intervals import drawn


def test_a_quarter_is_enough_and_the_sizes_are_those_of_tinyperson() -> None:
    """TinyPerson's rules: IoU 0.25; an object of 6 px is tiny and tiny1, one of 40 reasonable; half
    of a detection in an ignore region excuses it, whatever the threshold."""
    truth = index(picture((0, 0, 0, 6, 6), (0, 100, 100, 40, 40), (0, 300, 0, 50, 50), ignore=(2,)))
    detections = found(
        (0.9, 0, 0, 3, 6, 6),  # IoU 1/3
        (0.8, 0, 344, 0, 10, 10),  # 60 % in the region
        (0.7, 0, 347, 20, 10, 10),  # 30 %
        (0.6, 0, 100, 100, 40, 40),
    )
    metrics = score(truth, [detections], sizes=PUBLISHED_PX["tinyperson"]).metrics
    assert metrics["AP50_tiny1"] == 0
    assert metrics["AP25_tiny1"] == metrics["AP25_tiny"] == pytest.approx(1)
    assert metrics["AP25_reasonable"] == pytest.approx(1)
    assert metrics["AP25_tiny2"] is None
    # hit, false alarm, hit: 51 points at 1, 50 at 2/3
    assert metrics["AP25"] == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("benchmark", ["aitod", "tinyperson"])
def test_as_hotcoco_where_no_region_is_in_the_way(benchmark: str) -> None:
    truth, detections = drawn(8, seed=5)
    sizes = PUBLISHED_PX[benchmark]
    comparison = compare(truth, detections, conf=0.2, max_detections=1500, sizes=sizes)
    clear = comparison.objects[~comparison.objects.ignore]
    evaluation = COCOeval(*coco_pair(comparison.index, clear, comparison.detections), "bbox")
    evaluation.params.iou_thrs = [0.25]
    evaluation.params.area_rng = [list(closed_area_range(*span)) for span in sizes.values()]
    evaluation.params.area_rng_lbl = list(sizes)
    evaluation.params.max_dets = [1500]
    evaluation.evaluate()
    evaluation.accumulate()
    assert evaluation.eval is not None
    precision = evaluation.eval["precision"][0, :, :, :, 0]
    unregioned = type(truth)(
        truth.class_names, tuple(_without_regions(record) for record in truth.records)
    )
    metrics = score(unregioned, detections, sizes=sizes).metrics
    for i, size in enumerate(sizes):
        measured = precision[..., i][precision[..., i] > -1]
        expected = pytest.approx(measured.mean(), abs=1e-12) if measured.size else None
        assert metrics[f"AP25_{size}"] == expected


def _without_regions(record):
    from smalldet.columns import take

    return take(record, ~np.asarray(record.ignore))
