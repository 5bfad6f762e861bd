"""Darknet weights land where Darknet puts them, and a wrong file is refused before it is read."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from smalldet.class_names import read_class_names
from smalldet.models.checkpoints.darknet import (
    WeightsHeader,
    load,
    read_weights,
    write_weights,
)
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.yolo.darknet import parse_cfg
from smalldet.models.yolo.net import GraphNet

CFG = (
    "[net]\nchannels=2\nwidth=32\nheight=32\n"
    "[convolutional]\nfilters=3\nsize=1\nbatch_normalize=1\nactivation=linear\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n"
    "[yolo]\nanchors=4,4\nclasses=1\n"
)
NUM_FLOATS = (4 * 3 + 3 * 2) + (6 + 6 * 3)


def new_net() -> GraphNet:
    return GraphNet(parse_cfg(CFG)).eval()


def content(major: int = 0, minor: int = 2, num_floats: int = NUM_FLOATS) -> bytes:
    """A header by hand, then 0.25, 0.5, 0.75, ..."""
    wide = major * 10 + minor >= 2
    header = struct.pack("<3i", major, minor, 5) + struct.pack(
        "<Q" if wide else "<I", 3_000_000_000
    )
    return header + (np.arange(1, num_floats + 1) / 4).astype("<f4").tobytes()


@pytest.mark.parametrize("version", [(0, 1), (0, 2), (1, 0)])
def test_values_land_in_the_order_of_the_file(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "n.weights"
    path.write_bytes(content(*version))
    net = new_net()
    assert read_weights(path, net) == WeightsHeader(*version, 5, 3_000_000_000)
    values = np.arange(1, NUM_FLOATS + 1) / 4
    beta, gamma, mean, variance = values[:12].reshape(4, 3)
    kernel = values[12:18].reshape(3, 2)
    pixel = np.array([0.5, -1.0])
    hidden = (kernel @ pixel - mean) / np.sqrt(variance) * gamma + beta
    expected = values[24:].reshape(6, 3) @ hidden + values[18:24]
    (out,) = net(torch.from_numpy(pixel).float().view(1, 2, 1, 1).expand(1, 2, 2, 2))
    np.testing.assert_allclose(out[0, :, 0, 0].detach().numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("version", [(0, 1), (0, 2)])
def test_bytes_come_back_exactly(tmp_path: Path, version: tuple[int, int]) -> None:
    path, again = tmp_path / "n.weights", tmp_path / "again.weights"
    path.write_bytes(content(*version))
    net = new_net()
    write_weights(again, net, read_weights(path, net))
    assert again.read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.weights", "n.weights"]


def test_too_many_or_too_few_values_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "n.weights"
    net = new_net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for num_floats, tail in ((NUM_FLOATS - 1, b""), (NUM_FLOATS + 2, b""), (NUM_FLOATS, b"xy")):
        path.write_bytes(content(num_floats=num_floats) + tail)
        message = rf"n\.weights: .*needs {NUM_FLOATS} floats.*has {num_floats}"
        with pytest.raises(ValueError, match=message):
            read_weights(path, net)
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])


def test_files_that_are_no_weights_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "n.weights"
    with pytest.raises(FileNotFoundError, match=r"n\.weights"):
        read_weights(path, new_net())
    for data in (b"", b"short", struct.pack("<3i", 0, 2, 5) + b"1234"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"n\.weights"):
            read_weights(path, new_net())
    path.write_bytes(content()[:-4] + struct.pack("<f", float("nan")))
    with pytest.raises(ValueError, match="not finite"):
        read_weights(path, new_net())


def test_a_huge_network_with_a_small_file_takes_no_memory(tmp_path: Path) -> None:
    """900 million values would take 3.6 GB; the file's size says first that they are not there."""
    cfg, weights = tmp_path / "n.cfg", tmp_path / "n.weights"
    cfg.write_text(
        "[net]\n[convolutional]\nfilters=60000\n[convolutional]\nfilters=15000\n"
        "[convolutional]\nfilters=6\n[yolo]\nanchors=4,4\nclasses=1\n",
        encoding="utf-8",
    )
    weights.write_bytes(content())
    with pytest.raises(ValueError, match=r"n\.weights: .*needs 900\d{6} floats.*has 42"):
        load(weights, ImportHints(class_names=("car",)))


def test_names_must_fit_the_cfg(tmp_path: Path) -> None:
    cfg, weights = tmp_path / "n.cfg", tmp_path / "n.weights"
    cfg.write_text(CFG, encoding="utf-8")
    weights.write_bytes(content())
    assert not load(weights, ImportHints(class_names=("car",))).detector.training
    with pytest.raises(ValueError, match=r"n\.weights: .*1 classes, but 2 class names"):
        load(weights, ImportHints(class_names=("car", "ship")))


REAL = ["mobilenetv2-yolov3-nano", "yolo-fastest-1.1", "yolov4-tiny"]


@pytest.mark.reference
@pytest.mark.parametrize("name", REAL)
def test_real_networks_answer_as_in_opencv(
    shared_dir: Path,
    name: str,
    compare: Callable[..., None],
    stretch: Callable[..., Tensor],
    record_parity: Callable[..., None],
) -> None:
    """The same classes, boxes within half a pixel, scores within 1e-3 of OpenCV's own reader."""
    folder = shared_dir / "weights" / f"{name}-coco-darknet"
    if not folder.is_dir():
        pytest.skip(f"no real weights: {folder}")
    (weights,) = folder.glob("*.weights")
    names = read_class_names(folder / "coco.names")
    detector = load(weights, ImportHints(class_names=names)).detector
    record = partial(record_parity, name, "OpenCV 4.11.0's answers, real weights")
    for run in json.loads((folder / "reference.json").read_text(encoding="utf-8"))["runs"]:
        with Image.open(shared_dir / "weights" / "images" / run["image"]) as image:
            pixels = np.asarray(image.convert("RGB"))
        (width, height), (net_width, net_height) = run["image_size_wh"], run["net_size_wh"]
        resized = stretch(pixels, net_width, net_height)
        (found,) = detector.predict(resized.permute(2, 0, 1)[None], conf=0.25)
        boxes = found.boxes * torch.tensor([width / net_width, height / net_height] * 2)
        compare(boxes, found.scores, found.named(), run["detections"], record)


@pytest.mark.parametrize("name", REAL)
def test_real_weights_come_back_exactly(shared_dir: Path, tmp_path: Path, name: str) -> None:
    folder = shared_dir / "weights" / f"{name}-coco-darknet"
    if not folder.is_dir():
        pytest.skip(f"no real weights: {folder}")
    (cfg,), (weights,) = folder.glob("*.cfg"), folder.glob("*.weights")
    net = GraphNet(parse_cfg(cfg.read_text(encoding="utf-8", errors="replace"), str(cfg)))
    again = tmp_path / "again.weights"
    write_weights(again, net, read_weights(weights, net))
    assert again.read_bytes() == weights.read_bytes()
