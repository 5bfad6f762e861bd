"""The schema of the YOLO family: networks by name or file, classes and anchors of the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smalldet.config.load import checked
from smalldet.models.yolo import YoloDetector, known_text
from smalldet.models.yolo.config import YoloConfig
from smalldet.targets import Target

SMALL = known_text("yolov5n").replace("width: 0.25", "width: 0.125")

# two outputs behind a few convolutions, for a test that trains
FEW_LAYERS = """
activation: swish
anchors: [[5, 5], [7, 7], [12, 12], [20, 20]]
output: {scale_xy: 2, squared_sides: true, assignment: side_ratio, box_weight: 0.05}
layers:
  - {conv: 16, size: 3, stride: 2}
  - {conv: 32, size: 3, stride: 2}
  - {c3: 32, name: fine}
  - {conv: 32, size: 3, stride: 2}
  - {yolo: [2, 3]}
  - {yolo: [0, 1], from: fine}
"""


def test_a_network_by_name_takes_the_classes_of_the_run() -> None:
    detector = YoloConfig(network="yolov4-tiny").build(("car", "ship"), 320)
    assert (detector.tile_px, detector.stride) == (320, 32)
    assert [output.num_classes for output in detector.outputs] == [2, 2]
    with pytest.raises(ValueError, match=r"unknown network 'yolo9'"):
        checked(YoloConfig, {"network": "yolo9"}, "recipe")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("n.yaml", "# mine\n" + SMALL),
        (
            "n.cfg",
            "# mine\n[net]\n[convolutional]\nfilters=18\n"
            "[yolo]\nanchors=4,4,8,8,16,16\nclasses=1\nnum=3\n",
        ),
    ],
)
def test_a_file_is_kept_in_the_schema(tmp_path: Path, file: str, text: str) -> None:
    """A checkpoint must build its network without the file that described it."""
    path = tmp_path / file
    path.write_text(text, encoding="utf-8")
    config = YoloConfig(network=str(path))
    path.unlink()
    again = YoloConfig.model_validate_json(config.model_dump_json())
    assert again == config
    assert isinstance(again.build(("a", "b", "c"), 64), YoloDetector)


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent\.cfg: no such file"):
        checked(YoloConfig, {"network": str(tmp_path / "absent.cfg")}, "recipe")
    path = tmp_path / "n.cfg"
    path.write_text("[net]\n[rnn]\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"n\.cfg line 2: \[rnn\] unknown section"):
        checked(YoloConfig, {"network": str(path)}, "recipe")
    with path.open("wb") as file:
        file.truncate(10 << 20)
    with pytest.raises(ValueError, match=r"n\.cfg: 10485760 bytes are no network text"):
        checked(YoloConfig, {"network": str(path)}, "recipe")


def test_a_million_layers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.cfg"
    path.write_text("[net]\n" + "[dropout]\n" * 300_000, encoding="utf-8")
    with pytest.raises(ValueError, match="more than 5001 sections"):
        checked(YoloConfig, {"network": str(path)}, "recipe")


def test_anchors_by_list_or_fitted() -> None:
    anchors = [[i, i + 1] for i in range(1, 10)]
    config = checked(YoloConfig, {"text": SMALL, "anchors": anchors}, "recipe")
    assert config.build(("a",), 64).outputs[0].anchors == tuple((i, i + 1.0) for i in range(1, 10))
    with pytest.raises(ValueError, match="1 anchors were given, the network has 9"):
        checked(YoloConfig, {"text": SMALL, "anchors": [[1, 2]]}, "recipe")
    asking = YoloConfig(text=SMALL, anchors="fitted")
    with pytest.raises(ValueError, match="needs the data"):
        asking.build(("a",), 64)
    sides = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 10 + 3
    fitted = asking.fitted(sides)
    assert isinstance(fitted.anchors, tuple)
    assert max(max(anchor) for anchor in fitted.anchors) < 13
    assert fitted.fitted(sides * 9) == fitted


def test_it_learns_a_picture() -> None:
    """Assignment, loss and decoding of YOLOv5 must mean the same box; objects of 5 and 20 px."""
    torch.manual_seed(0)
    detector = YoloConfig(text=FEW_LAYERS).build(("car", "ship"), 64).train()
    picture = torch.rand(1, 3, 64, 64)
    boxes = torch.tensor([[40.0, 23, 45, 28], [9, 35, 29, 55]])
    target = Target.of(boxes, torch.tensor([0, 1]), 2)
    optimiser = torch.optim.Adam(detector.parameters(), 0.01)
    for step in range(60):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 60)
        optimiser.zero_grad()
        torch.stack(list(detector.loss(picture, [target]).values())).sum().backward()
        optimiser.step()
    found = detector.predict(picture, conf=0.1)[0]
    for label, box in enumerate(boxes):
        best = int(found.scores.masked_fill(found.labels != label, 0).argmax())
        torch.testing.assert_close(found.boxes[best], box, atol=1.5, rtol=0)
