"""Average precision of masks on cases worked by hand, and from files and folders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smalldet.data.index import MASK_PX, ImageRecord
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.kept import About, keep, read_kept
from smalldet.evaluation.result_files import read_results
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import Row, found, index, picture

Grid = NDArray[np.uint8]
HALF = MASK_PX // 2
LEFT, RIGHT, NONE, WHOLE = (np.zeros((MASK_PX, MASK_PX), np.uint8) for _ in range(4))
LEFT[:, :HALF] = RIGHT[:, HALF:] = WHOLE[:] = 255
A, B = (10, 10, 20, 20), (110, 10, 20, 20)


def _truth(*objects: tuple[Row, Grid]) -> ImageRecord:
    record = picture(*((0, *box) for box, _ in objects))
    grids = np.stack([grid for _, grid in objects]) > 0
    return replace(record, masks=np.packbits(grids.reshape(len(objects), -1), axis=1))


def _found(*objects: tuple[Row, Grid]) -> Detections:
    rows = found(*((0.9 - 0.1 * i, 0, *box) for i, (box, _) in enumerate(objects)))
    return replace(rows, masks=torch.from_numpy(np.stack([grid for _, grid in objects])))


def _of_masks(record: ImageRecord, detections: Detections) -> dict[str, float | None]:
    metrics = score(index(record), [detections]).metrics
    return {name: value for name, value in metrics.items() if name.startswith("mask_")}


def test_pixels_decide_and_not_boxes() -> None:
    """Of two equal boxes the first has the wrong half, of no overlap: a false alarm, then a hit
    of one of two objects: 51 points of recall at a precision of a half."""
    record = _truth((A, LEFT), (B, LEFT))
    report = score(index(record), [_found((A, RIGHT), (A, LEFT))])
    values = _of_masks(record, _found((A, RIGHT), (A, LEFT)))
    assert values["mask_AP"] == values["mask_AP50"] == pytest.approx(51 / 101 / 2)
    assert values["mask_AP75"] == values["mask_AP_small"] == values["mask_AP"]
    assert values["mask_AP_tiny"] is None
    assert report.per_class["car"]["mask_AP"] == values["mask_AP"]
    assert report.per_class["person"]["mask_AP"] is None
    assert report.metrics["AP"] == pytest.approx(51 / 101)


def test_a_mask_of_half_the_pixels_has_an_iou_of_a_half() -> None:
    values = _of_masks(_truth((A, LEFT)), _found((A, WHOLE)))
    assert values["mask_AP50"] == pytest.approx(1)
    assert values["mask_AP75"] == 0
    assert values["mask_AP"] == pytest.approx(0.1)


def test_what_nobody_has_outlined_is_neither_hit_nor_missed() -> None:
    """The second object has a box alone: a detection in it is no false alarm."""
    record = _truth((A, LEFT), (B, NONE))
    values = _of_masks(record, _found((B, RIGHT), (A, LEFT)))
    assert values["mask_AP"] == pytest.approx(1)


def test_ignore_regions_take_half_of_a_mask() -> None:
    """The mask's own half counts, not the box's: the left half of the box lies in the region."""
    record = _truth((A, LEFT), ((100, 0, 20, 100), NONE))
    record = replace(record, ignore=np.array([False, True]))
    assert _of_masks(record, _found((B, LEFT), (A, LEFT)))["mask_AP"] == pytest.approx(1)
    values = _of_masks(record, _found((B, RIGHT), (A, LEFT)))
    assert values["mask_AP"] == pytest.approx(0.5)


def test_they_are_measured_only_where_both_sides_have_masks() -> None:
    outlined, plain = _truth((A, LEFT)), picture((0, *A))
    boxes = found((0.9, 0, *A))
    assert _of_masks(plain, _found((A, LEFT))) == {}
    assert _of_masks(outlined, boxes) == {}
    assert _of_masks(_truth((A, NONE)), _found((A, LEFT))) == {}
    nothing = score(index(outlined), [Detections.empty(("car", "person"))]).metrics
    assert nothing["mask_AP"] == 0
    huge = replace(outlined, width=70_000, height=70_000)
    assert _of_masks(huge, _found((A, LEFT))) == {}


def test_files_of_results_hold_masks_with_or_without_boxes(tmp_path: Path) -> None:
    """The labels' own outlines as results find everything, and what is no code is told."""
    rng = np.random.default_rng(0)
    grids = [np.where(rng.random((7, 7)) < 0.6, 255, 0).repeat(8, 0).repeat(8, 1) for _ in (A, B)]
    record = replace(
        _truth((A, grids[0].astype(np.uint8)), (B, grids[1].astype(np.uint8))), height=500
    )
    detections = _found((A, grids[0].astype(np.uint8)), (B, grids[1].astype(np.uint8)))
    truth = index(record)
    keep(tmp_path, truth, match_classes(truth, ("car", "person")), [detections], About())
    whole = read_kept(tmp_path)
    assert score(whole.truth, whole.detections).metrics["mask_AP"] == pytest.approx(1)

    file = tmp_path / "detections.json"
    entries = json.loads(file.read_text())
    for entry in entries:
        del entry["bbox"]
    file.write_text(json.dumps(entries))
    results = read_results(file, truth)
    assert score(truth, results.detections).metrics["mask_AP50"] == pytest.approx(1)

    entries[1]["segmentation"]["size"] = [1, 1]
    file.write_text(json.dumps([entries[0] | {"bbox": [*A]}, entries[1] | {"bbox": [*B]}]))
    results = read_results(file, truth)
    assert results.remarks == (
        "1 of 2 results have no run-length code of their picture as segmentation: masks are not "
        "measured",
    )
    assert "mask_AP" not in score(truth, results.detections).metrics
