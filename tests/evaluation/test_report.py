"""What a person and a program read of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import score
from tests.evaluation.by_hand import index, oriented_found, oriented_picture


def _report() -> Report:
    names = ("a class with a very long name", "[bold]odd", *(f"class{i}" for i in range(10)))
    num = len(names)
    boxes = np.array([[0, 0, 3 * i + 1, 5 * i + 1] for i in range(num)], dtype=np.float32)
    record = ImageRecord(
        Path("a.png"),
        20_000,
        20_000,
        boxes,
        np.arange(num, dtype=np.int64),
        np.zeros(num, dtype=np.bool_),
        np.zeros(num, dtype=np.bool_),
        1,
    )
    detections = Detections(
        torch.from_numpy(boxes).repeat(20_000 // num, 1)
        + torch.arange(20_000 // num * num)[:, None] % 7,
        torch.rand(20_000 // num * num),
        torch.arange(num).repeat(20_000 // num),
        (*names[:-1], "ship"),
    )
    return score(Index(names, (record,)), [detections], conf=0.01)


def test_table_fits_in_80_columns_and_shows_every_class() -> None:
    report = _report()
    console = Console(width=80, record=True, force_terminal=False, file=None, quiet=False)
    with console.capture() as capture:
        console.print(report)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    for part in ("very", "tiny", "8-16", "96+", "FA/MP", "[bold]odd", "class8", "0.01", "ship"):
        assert part in text
    row = next(line for line in text.splitlines() if line.startswith("all"))
    assert f"{report.metrics['AP']:.3f}" in row
    assert "…" not in row


def test_oriented_boxes_have_a_line_where_there_are_any() -> None:
    rbox = (0, 100, 100, 40, 10, 45)
    turned = score(index(oriented_picture(rbox)), [oriented_found((0.9, *rbox))])
    for report, told in ((turned, True), (_report(), False)):
        console = Console(width=80)
        with console.capture() as capture:
            console.print(report)
        assert ("OBB_AP 1.000, OBB_AP50 1.000" in capture.get()) == told
        assert ("OBB_angle_error_deg 0.000" in capture.get()) == told


def test_metrics_json_says_what_it_measured(tmp_path: Path) -> None:
    report = _report()
    report.write(tmp_path / "metrics.json")
    read = json.loads((tmp_path / "metrics.json").read_text())
    assert read["AP"] == report.metrics["AP"]
    assert read["conf"] == 0.01
    assert read["megapixels"] == 400
    assert read["size_ranges_px"]["tiny"] == [8, 16]
    assert read["size_ranges_px"]["large"] == [96, None]
    assert read["counts"]["all"] == 11
    assert read["left_out"] == {"model": ["ship"], "data": ["class9"]}
    assert read["per_class"]["class8"]["counts"]["medium"] == 1
    for size in read["size_ranges_px"]:
        assert {f"AP_{size}", f"AR_{size}"} <= read.keys()
