"""The demo from end to end, with a model that needs no weights."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from smalldet.demo import run_demo
from smalldet.detections import Detections
from smalldet.models.seen import NOTHING_KNOWN


class BrightSpots:
    """A tile model that calls whatever is brightest within 30 px an airplane of 30 px."""

    class_names = ("truck", "airplane")
    in_channels, stride, least_px, tile_px, conf = 3, 8, 1, 512, 0.25
    fingerprint, runtime, seen = "bright spots", "plain torch", NOTHING_KNOWN
    finds_masks = False

    def batch_size(self, height: int, width: int) -> int:
        return 4

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        light = functional.avg_pool2d(images.float().mean(1, keepdim=True) / 255, 9, 2, 4)
        peaks = (light == functional.max_pool2d(light, 15, 1, 7)) & (light > 0.72)
        detections = []
        for spots, values in zip(peaks[:, 0], light[:, 0], strict=True):
            y, x = spots.nonzero(as_tuple=True)
            centres = 2.0 * torch.stack([x, y], dim=1)
            boxes = torch.cat([centres - 15, centres + 15], dim=1)
            labels = torch.ones(len(x), dtype=torch.long)
            detections.append(Detections(boxes, values[y, x], labels, self.class_names))
        return detections


def printed_to() -> tuple[Console, StringIO]:
    text = StringIO()
    return Console(file=text, width=110), text


def test_drawn_scene(tmp_path: Path) -> None:
    console, text = printed_to()
    out = tmp_path / "new" / "demo"
    run = run_demo(out, model=BrightSpots(), width=1300, height=1200, console=console)
    assert [path.name for path in run.written] == [
        "scene.tif",
        "detections.geojson",
        "detections.jpg",
    ]
    features = json.loads((out / "detections.geojson").read_text())["features"]
    assert len(features) == len(run.result.detections) > 0
    longitude, latitude = features[0]["geometry"]["coordinates"][0][0]
    assert 13 < longitude < 14 and 52 < latitude < 53
    with Image.open(out / "detections.jpg") as poster:
        assert poster.width > 1000
    assert run.tallies is not None
    (total,) = [row for row in run.tallies if row.size == "all"]
    assert total.num_true > 10
    assert total.num_found + total.num_false == len(run.result.detections)
    assert "drawn, not photographed" in text.getvalue()
    assert "does not know car, bus" in text.getvalue()
    assert run.megapixels_per_second > 0


def test_own_picture(tmp_path: Path) -> None:
    """A picture without a place on a map is answered in its pixels."""
    pixels = np.full((700, 900, 3), 60, dtype=np.uint8)
    pixels[306:315, 506:515] = 255
    Image.fromarray(pixels).save(tmp_path / "mine.png")
    console, text = printed_to()
    run = run_demo(
        tmp_path / "out",
        source=tmp_path / "mine.png",
        model=BrightSpots(),
        console=console,
    )
    assert run.tallies is None
    assert not (tmp_path / "out/scene.tif").exists()
    assert "1 airplane" in text.getvalue()
    assert "drawn" not in text.getvalue()
    collection = json.loads((tmp_path / "out/detections.geojson").read_text())
    assert collection["coordinates"] == "pixels"
    centre = np.mean(collection["features"][0]["geometry"]["coordinates"][0][:4], axis=0)
    np.testing.assert_allclose(centre, (510, 310), atol=8)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not_there\.tif"):
        run_demo(tmp_path, source=tmp_path / "not_there.tif", model=BrightSpots())
