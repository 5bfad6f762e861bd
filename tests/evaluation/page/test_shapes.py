"""The page shows oriented boxes by class where they were measured, and nothing where not."""

from __future__ import annotations

from smalldet.evaluation.comparison import compare
from smalldet.evaluation.kept import About
from smalldet.evaluation.page.evaluation_page import evaluation_page
from smalldet.evaluation.page.shapes import shapes
from smalldet.evaluation.scoring import report_of
from tests.evaluation.by_hand import found, index, oriented_found, oriented_picture, picture

RBOX = (0, 100, 100, 40, 10, 45)


def test_a_table_by_class_and_tiles_above() -> None:
    truth, turned = index(oriented_picture(RBOX)), [oriented_found((0.9, *RBOX[:5], 40))]
    comparison = compare(truth, turned, conf=0.25, max_detections=100)
    report = report_of(comparison, turned)
    (table,) = shapes(report, 5)
    error = report.metrics["OBB_angle_error_deg"]
    assert error is not None and abs(error - 5) < 1e-3
    row = "<td>100.0</td>" * 2  # both of DOTA
    assert row in table.replace("\n", "") and "<td>5.0</td>" in table and "degrees" in table
    page = evaluation_page(comparison, report, About())
    assert table in page and ">OBB AP50</span><b>100.0</b>" in page


def test_upright_boxes_have_none() -> None:
    truth = index(picture((0, 80, 80, 40, 40)))
    comparison = compare(truth, [found((0.9, 0, 80, 80, 40, 40))], conf=0.25, max_detections=9)
    assert shapes(report_of(comparison, []), 5) == []
