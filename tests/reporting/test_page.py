"""Pages: names are text, charts count, crops show what is there."""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

from smalldet.reporting.charts import size_histogram
from smalldet.reporting.crops import Crop, figures
from smalldet.reporting.page import escaped, page, section, table


def test_names_are_text_whatever_is_in_them() -> None:
    name = os.fsdecode(b'<i>"a"\xff.png')
    assert escaped(name) == "&lt;i&gt;&quot;a&quot;\\udcff.png"
    whole = page(name, [section(name, name, table((name,), [[escaped(name)]]))])
    assert "<i>" not in whole and whole.encode("utf-8")


def test_a_histogram_counts_every_object_once() -> None:
    sizes = np.concatenate([np.full(7, 4.0), np.full(3, 200.0), [np.nan, 0.0]])
    chart = size_histogram(sizes, "px", [("tiny", 0, 8), ("large", 96, np.inf)])
    assert [int(n) for n in re.findall(r"<title>(\d+)</title>", chart)] == [7, 3]
    assert "tiny 70 %" in chart and "large 30 %" in chart
    assert size_histogram([], "px") == ""
    assert "<rect" in size_histogram([5.0], "m")


def shown(html: str) -> list[Image.Image]:
    coded = re.findall(r"base64,([^\"]+)", html)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in coded]


def test_crops_are_enlarged_in_place_and_broken_files_named(tmp_path: Path) -> None:
    pixels = np.zeros((200, 300, 3), dtype=np.uint8)
    pixels[100:110, 200:210] = (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    crops = [
        Crop(tmp_path / "a.png", [(200, 100, 210, 110)], "<car>", side_px=60),
        Crop(tmp_path / "a.png", [(295, 190, 300, 200)], side_px=60),
        Crop(tmp_path / "a.png", whole=True, other=tmp_path / "b.png", side_px=60),
    ]
    html = figures(crops)
    assert "&lt;car&gt;" in html and "cannot be shown" in html
    around, corner, whole = shown(html)
    assert around.size == (120, 120) and corner.size == (120, 120) and whole.size == (120, 80)
    middle = np.asarray(around)[60, 60]
    assert middle[2] > 200 and middle[0] < 60, "the object stands in the middle of its crop"


def test_oriented_boxes_are_drawn_as_they_lie(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((200, 300, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    rbox = (150.0, 100.0, 60.0, 12.0, np.pi / 4)
    crops = [
        Crop(tmp_path / "a.png", rboxes=[rbox], side_px=150),
        Crop(tmp_path / "a.png", rboxes=[rbox], whole=True, side_px=150),
    ]
    for image, centre, scale in zip(
        shown(figures(crops)), ((150, 150), (150, 100)), (300 / 153, 1), strict=True
    ):
        drawn = np.asarray(image.convert("L")) > 60
        y, x = np.mgrid[: drawn.shape[0], : drawn.shape[1]] + 0.5
        across = np.abs((y - centre[1]) - (x - centre[0])) / np.sqrt(2)
        assert drawn.sum() > 100 and across[drawn].max() < 12 * scale
