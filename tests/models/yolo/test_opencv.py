"""Our networks give what OpenCV's reader of Darknet files gives for the same two files.

What is compared first is what the convolutions before the outputs give, raw, relative to the
largest value of the map. What differs there is the rounding of both sides: from YOLOv4 in float64
ours is off by 2.1e-5, OpenCV by 1.6e-5, whose formula of Mish is the exact one; 1e-5 instead of
1e-6 in the norms would be off by 2e-2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from smalldet.models.checkpoints.darknet import load, save
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.yolo import YoloDetector
from smalldet.models.yolo.cfg_writer import cfg_text
from smalldet.models.yolo.config import YoloConfig

pytestmark = pytest.mark.parity

SIDE_PX = 128
NAMES = tuple(f"class {i}" for i in range(80))
REAL = ("mobilenetv2-yolov3-nano", "yolo-fastest-1.1", "yolov4-tiny")


@pytest.fixture
def cv2() -> Any:
    module = pytest.importorskip("cv2")
    if not hasattr(module.dnn, "readNetFromDarknet"):
        pytest.skip("OpenCV 5 reads no Darknet files")
    return module


@torch.no_grad()
def at_random(name: str) -> YoloDetector:
    """A known network with random weights; norms hold the statistics of random pictures.

    So values neither die nor overflow on their way through a hundred layers, and differences do not
    grow on it either.
    """
    torch.manual_seed(0)
    detector = YoloConfig(network=name).build(NAMES, SIDE_PX).train()
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            module.weight.uniform_(0.25, 0.75)
            module.bias.normal_(0, 0.1)
        elif isinstance(module, nn.Conv2d):
            module.weight.normal_(0, module.weight[0].numel() ** -0.5)
            if module.bias is not None:  # an output, whose sides are exponentials
                module.weight.mul_(0.25)
                module.bias.normal_(0, 1)
    detector.network(torch.rand(4, 3, SIDE_PX, SIDE_PX))
    return detector.eval()


Array = np.ndarray[Any, Any]


def answers(cv2: Any, cfg: Path, weights: Path, picture: Tensor) -> tuple[list[Array], Array]:
    """OpenCV's raw maps (1, A * (5 + C), H, W), and its rows.

    A row: centre and sides as shares of the picture, objectness, scores of classes.
    """
    # its own option: by default it makes scores under 0.2 nought
    text = cfg.read_text(encoding="utf-8").replace("[yolo]\n", "[yolo]\nthresh=0\n")
    cfg.write_text(text, encoding="utf-8")
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.enableWinograd(False)  # its short cut costs two digits
    net.setInput(picture.numpy())
    sections = [
        int(name.removeprefix("yolo_")) for name in net.getLayerNames() if name.startswith("yolo_")
    ]
    raw = [f"conv_{section - 1}" for section in sections]
    found = net.forward([*raw, *(f"yolo_{section}" for section in sections)])
    return list(found[: len(raw)]), np.concatenate(found[len(raw) :])


@torch.no_grad()
def rows(detector: YoloDetector, picture: Tensor) -> Array:
    """The same rows of ours; OpenCV numbers places by cell, then by anchor."""
    sides_px = torch.tensor(picture.shape[:1:-1] * 2)
    height, width = picture.shape[-2:]
    levels = detector.places(detector.network(picture), (height, width))
    found = []
    for layer, (_, places) in zip(detector.outputs, levels, strict=True):
        boxes = places.boxes[0] / sides_px
        objectness = places.objectness[0].sigmoid()[:, None]
        centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        row = torch.cat([centre, sides, objectness, places.classes[0].sigmoid()], 1)
        row[:, 5:] *= objectness
        found.append(row.view(len(layer.mask), -1, row.shape[1]).transpose(0, 1).flatten(0, 1))
    return torch.cat(found).numpy()


@torch.no_grad()
def check(
    cv2: Any,
    detector: YoloDetector,
    files: tuple[Path, Path],
    picture: Tensor,
    record: Callable[[str, float], None],
) -> None:
    """Raw maps within 1e-4 of their largest value; decoded boxes and scores as near."""
    theirs_raw, theirs = answers(cv2, *files, picture)
    ours_raw, ours = detector.network(picture), rows(detector, picture)
    assert ours.shape == theirs.shape
    raw_error = max(
        float(np.abs(mine.numpy() - other).max() / np.abs(other).max())
        for mine, other in zip(ours_raw, theirs_raw, strict=True)
    )
    score_error = float(np.abs(ours[:, 4:] - theirs[:, 4:]).max())
    record("raw outputs, relative", raw_error)
    record("scores", score_error)
    assert raw_error < 1e-4
    assert score_error < 1e-4
    np.testing.assert_allclose(ours[:, :2], theirs[:, :2], rtol=0, atol=1e-5)
    # sides are exponentials: an absolute error of a raw value is a relative one of a side
    np.testing.assert_allclose(ours[:, 2:4], theirs[:, 2:4], rtol=3e-4, atol=1e-6)
    assert theirs[:, 5:].max() > 0.01


@pytest.mark.parametrize(
    "name",
    ["yolov3", "yolov3-spp", "yolov3-tiny", "yolov4", "yolov4-tiny", "yolov5n"],
)
def test_random_weights(
    cv2: Any, tmp_path: Path, name: str, record_parity: Callable[..., None]
) -> None:
    """Our text, our graph, our cfg and our weights file against OpenCV's reading of the latter."""
    detector = at_random(name)
    weights, cfg, _ = save(tmp_path / "n.weights", detector)
    picture = torch.rand(1, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(1))
    record = partial(record_parity, name, f"OpenCV {cv2.__version__} Darknet, random weights")
    check(cv2, detector, (cfg, weights), picture, record)


@pytest.mark.parametrize("name", REAL)
def test_real_weights(
    cv2: Any, shared_dir: Path, tmp_path: Path, name: str, record_parity: Callable[..., None]
) -> None:
    folder = shared_dir / "weights" / f"{name}-coco-darknet"
    if not folder.is_dir():
        pytest.skip(f"no real weights: {folder}")
    (weights,) = folder.glob("*.weights")
    detector = load(weights, ImportHints(class_names=NAMES)).detector
    assert isinstance(detector, YoloDetector)
    cfg, graph = tmp_path / "n.cfg", detector.net.graph
    cfg.write_text(cfg_text(graph), encoding="utf-8")
    with Image.open(shared_dir / "weights" / "images" / "dog.jpg") as image:
        size = graph.width_px, graph.height_px
        pixels = np.asarray(image.convert("RGB").resize(size), dtype=np.float32)
    picture = torch.from_numpy(pixels / 255).permute(2, 0, 1)[None].contiguous()
    record = partial(record_parity, name, f"OpenCV {cv2.__version__} Darknet, real weights")
    check(cv2, detector, (cfg, weights), picture, record)
