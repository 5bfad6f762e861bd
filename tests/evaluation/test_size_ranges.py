"""Size ranges: those of benchmarks, a person's own, in pixels and in metres."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from smalldet.cli import main
from smalldet.data.distances import in_metres
from smalldet.evaluation.scoring import score
from smalldet.evaluation.size_ranges import PUBLISHED_PX, read_sizes
from tests.evaluation.by_hand import found, index, picture


def test_published_ranges_by_name() -> None:
    """Sides of AI-TOD's and TinyPerson's toolkits, areas of SODA's paper."""
    assert read_sizes("AITOD") == (
        {"very_tiny": (0, 8), "tiny": (8, 16), "small": (16, 32), "medium": (32, math.inf)}, "px"
    )  # fmt: skip
    person = read_sizes("tinyperson")[0]
    assert [person[name] for name in ("tiny", "tiny1", "tiny2", "tiny3", "small")] == [
        (1, 20), (1, 8), (8, 12), (12, 20), (20, 32)
    ]  # fmt: skip
    areas = [high**2 for _, high in read_sizes("soda")[0].values()]
    assert areas == pytest.approx([144, 400, 1024, 2000])
    assert set(PUBLISHED_PX) == {"default", "coco", "aitod", "tinyperson", "soda"}


def test_own_edges_are_open_above() -> None:
    ranges, unit = read_sizes("0,8,16")
    assert ranges == {"0_8": (0, 8), "8_16": (8, 16), "16_up": (16, math.inf)}
    assert unit == "px"
    assert read_sizes("0, 2.5,4m") == (
        {"0_2.5": (0, 2.5), "2.5_4": (2.5, 4), "4_up": (4, math.inf)}, "m"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "what"),
    [("coko", "give default, coco"), ("8,4", "must rise"), ("-1,4", "0 or more"), ("", "give")],
)
def test_what_is_no_range_is_refused(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_sizes(text)


def test_sizes_in_metres_are_those_of_each_picture() -> None:
    """Ten pixels are 1 m in one picture and 5 m in the other. COCO's ranges stay in pixels."""
    one = picture((0, 0, 0, 10, 10), gsd_m=0.1)
    other = picture((0, 0, 0, 10, 10), gsd_m=0.5)
    detections = [found((0.9, 0, 0, 0, 10, 10)), found()]
    sizes, unit = read_sizes("0,2m")
    report = score(index(one, other), detections, sizes=sizes, size_unit=unit)
    assert report.counts == {"all": 2, "0_2": 1, "2_up": 1}
    assert report.metrics["AP_0_2"] == pytest.approx(1)
    assert report.metrics["AP_2_up"] == 0
    assert report.metrics["COCO_AP_small"] == report.metrics["COCO_AP"]
    assert report.metrics["COCO_AP_large"] is None
    assert report.as_dict()["size_ranges_m"] == {"0_2": [0, 2], "2_up": [2, None]}
    console = Console(width=200)
    with console.capture() as capture:
        console.print(report)
    assert "AP by side in m" in capture.get()


def test_metres_need_a_distance(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "b.png")
    known = picture((0, 0, 0, 10, 10), gsd_m=0.1)
    unknown = replace(known, gsd_m=None, path=tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: nothing tells its ground sample distance"):
        in_metres(index(known, unknown), None)
    assert [r.gsd_m for r in in_metres(index(known, unknown), 2).records] == [2, 2]
    with pytest.raises(ValueError, match=r"b\.png: its ground sample distance is not known"):
        score(index(known, unknown), [found()] * 2, sizes={"a": (0, 1)}, size_unit="m")


def _run(words: list[str], status: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert (ended.value.code or 0) == status


def test_the_command_line_measures_by_the_ranges_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(60, 120, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    labels = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100}
        ],
    }
    data, out = tmp_path / "val.json", tmp_path / "out"
    data.write_text(json.dumps(labels))
    words = ["evaluate", "--data", str(data), "--out", str(out), "--backend", "torch"]
    _run([*words, "--sizes", "0,2,8m", "--gsd", "0.5"])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["size_ranges_m"] == {"0_2": [0, 2], "2_8": [2, 8], "8_up": [8, None]}
    assert metrics["counts"] == {"all": 1, "0_2": 0, "2_8": 1, "8_up": 0}
    _run([*words, "--sizes", "soda"])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["counts"]["extremely_small"] == 1
    capsys.readouterr()
    _run([*words, "--sizes", "0,2m"], status=1)
    assert "a.png: nothing tells its ground sample distance" in capsys.readouterr().err
    _run([*words, "--sizes", "tiny"], status=1)
    assert "give default, coco, aitod" in capsys.readouterr().err
