"""YOLOv5's pickled networks are read without its package, and answer as it does."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.checkpoints.ultralytics import load

STRIDES = (4.0, 8.0)
ANCHORS = torch.tensor([[[10.0, 13], [16, 30]], [[30, 61], [62, 45]]])


class Conv(nn.Module):
    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, p: int | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Focus(nn.Module):
    def __init__(self, c1: int, c2: int, k: int) -> None:
        super().__init__()
        self.conv = Conv(4 * c1, c2, k)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.conv(torch.cat(parts, 1))


class Bottleneck(nn.Module):
    def __init__(self, c: int, e: float, shortcut: bool) -> None:
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, int(c * e)), Conv(int(c * e), c, 3), shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x)) if self.add else self.cv2(self.cv1(x))


class C3(nn.Module):
    def __init__(self, c1: int, c2: int, n: int, shortcut: bool) -> None:
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2, self.cv3 = Conv(c1, c), Conv(c1, c), Conv(2 * c, c2)
        self.m = nn.Sequential(*(Bottleneck(c, 1.0, shortcut) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C2f(C3):
    """Of a later generation, which is not read."""


class SPPF(nn.Module):
    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(2 * c1, c2)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        y = self.m(x)
        z = self.m(y)
        return self.cv2(torch.cat((x, y, z, self.m(z)), 1))


class SPP(nn.Module):
    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(2 * c1, c2)
        self.m = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        return self.cv2(torch.cat([x, *(m(x) for m in self.m)], 1))


class Concat(nn.Module):
    d = 1

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, self.d)


class Detect(nn.Module):
    anchors: Tensor

    def __init__(self, num_classes: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.nc, self.na, self.stride = num_classes, 2, torch.tensor(STRIDES)
        self.register_buffer("anchors", ANCHORS / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, 2 * (5 + num_classes), 1) for c in channels)


class DetectionModel(nn.Module):
    def __init__(self, layers: list[tuple[int | list[int], nn.Module]], names: object) -> None:
        super().__init__()
        self.names, self.model = names, nn.Sequential(*(layer for _, layer in layers))
        for i, (source, layer) in enumerate(layers):
            layer.i, layer.f = i, source  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Raw outputs; what the decoding means is compared with the real package elsewhere."""
        seen: list[Any] = []
        for layer in self.model:
            source: Any = layer.f
            if isinstance(source, list):
                y = [x if j == -1 else seen[j] for j in source]
            else:
                y = x if source == -1 else seen[source]
            if isinstance(layer, Detect):
                return [m(part) for m, part in zip(layer.m, y, strict=True)]  # pyright: ignore
            x = layer(y)
            seen.append(x)
        raise AssertionError("no outputs")


HOMES = {
    "models.common": (Conv, Focus, Bottleneck, C3, C2f, SPPF, SPP, Concat),
    "models.yolo": (Detect, DetectionModel),
}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes under the names that pickles of the real package have."""
    monkeypatch.setitem(sys.modules, "models", types.ModuleType("models"))
    for name, kinds in HOMES.items():
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        for kind in kinds:
            setattr(module, kind.__name__, kind)
            monkeypatch.setattr(kind, "__module__", name)


def new_model(names: object = ("car", "ship"), old: bool = False) -> DetectionModel:
    torch.manual_seed(0)
    model = DetectionModel(
        [
            (-1, Focus(3, 8, 3) if old else Conv(3, 8, 6, 2, 2)),
            (-1, Conv(8, 16, 3, 2)),
            (-1, C3(16, 16, 2, True)),
            (-1, Conv(16, 24, 3, 2)),
            (-1, SPP(24, 32) if old else SPPF(24, 32)),
            (-1, nn.Sequential(Bottleneck(32, 0.5, True), Bottleneck(32, 0.5, True))),
            (-1, Conv(32, 16)),
            (-1, nn.Upsample(None, 2, "nearest")),
            ([-1, 2], Concat()),
            (-1, C3(32, 16, 1, False)),
            ([9, 5], Detect(2, (16, 32))),
        ],
        list(names) if isinstance(names, tuple) else names,
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # pyright: ignore[reportOptionalMemberAccess]
            module.running_var.uniform_(0.5, 1.5)  # pyright: ignore[reportOptionalMemberAccess]
    return model.eval()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.usefixtures("package")
def test_a_network_answers_as_its_own_modules(tmp_path: Path, old: bool, zipped: bool) -> None:
    path = tmp_path / "mine.pt"
    model = new_model(old=old)
    content = {"epoch": -1, "model": model, "ema": None, "optimizer": None}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    x = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = model(x)
        found = load(path, ImportHints())
        raw = found.detector.network(x)  # pyright: ignore[reportCallIssue]
    assert found.detector.class_names == ("car", "ship")
    assert [layer.own_anchors for layer in found.detector.outputs] == [  # pyright: ignore
        ((10, 13), (16, 30)),
        ((30, 61), (62, 45)),
    ]
    for got, want in zip(raw, expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("package")
def test_names_come_from_the_file_or_are_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    torch.save({"model": new_model({0: "a", 1: "b"}).half()}, path)
    assert load(path, ImportHints()).detector.class_names == ("a", "b")
    hinted = load(path, ImportHints(class_names=("x", "y"), tile_px=320)).detector
    assert (hinted.class_names, hinted.tile_px) == (("x", "y"), 320)
    with pytest.raises(ValueError, match=r"mine\.pt: .*2 classes, but 3"):
        load(path, ImportHints(class_names=("x", "y", "z")))
    torch.save({"model": new_model(("only",))}, path)
    with pytest.raises(ValueError, match=r"mine\.pt: its class names are not as many"):
        load(path, ImportHints())


@pytest.mark.usefixtures("package")
def test_other_networks_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    torch.save({"model": new_model().state_dict()}, path)
    with pytest.raises(ValueError, match=r"mine\.pt: holds no network"):
        load(path, ImportHints())
    model = new_model()
    model.model[2].__class__ = C2f
    torch.save({"model": model}, path)
    with pytest.raises(ValueError, match=r"models\.common\.C2f is not supported"):
        load(path, ImportHints())
    model.model = model.model[:-1]
    torch.save({"model": model}, path)
    with pytest.raises(ValueError, match="networks without anchors are not supported"):
        load(path, ImportHints())


@pytest.mark.usefixtures("package")
def test_a_network_larger_than_its_file_is_not_built(tmp_path: Path) -> None:
    """Numbers of filters are claims too: a billion of them must not be taken from memory."""
    path = tmp_path / "mine.pt"
    model = new_model()
    model.model[1].conv.out_channels = 60_000  # pyright: ignore
    torch.save({"model": model}, path)
    with pytest.raises(ValueError, match=r"mine\.pt: its tensors do not fit its layers"):
        load(path, ImportHints())


@pytest.mark.reference
@pytest.mark.parametrize("image", ["dog.jpg", "bus.jpg", "small-vehicles1.jpeg"])
def test_the_real_yolov5n_answers_as_its_own_package(
    shared_dir: Path,
    image: str,
    compare: Callable[..., None],
    stretch: Callable[..., Tensor],
    record_parity: Callable[..., None],
) -> None:
    """Raw rows to 1e-4 and detections to 1e-3 in score, half a pixel in place."""
    folder = shared_dir / "weights" / "yolov5n-v7.0-coco-pt"
    if not folder.is_dir():
        pytest.skip(f"no real weights: {folder}")
    imported = load(folder / "yolov5n.pt", ImportHints())
    assert imported.config.network == "yolov5n"  # pyright: ignore[reportAttributeAccessIssue]
    runs = json.loads((folder / "reference.json").read_text(encoding="utf-8"))["runs"]
    (run,) = (run for run in runs if run["image"] == image)
    with Image.open(shared_dir / "weights" / "images" / image) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    batch, scale, left, top = letterboxed(pixels, stretch, *run["tensor_shape"][2:])
    with torch.no_grad():
        size = (batch.shape[-2], batch.shape[-1])
        detector: Any = imported.detector
        levels = detector.places(detector.network(batch), size)
    outputs = [places for _, places in levels]
    boxes = torch.cat([places.boxes[0] for places in outputs])
    objectness = torch.cat([places.objectness[0] for places in outputs]).sigmoid()
    classes = torch.cat([places.classes[0] for places in outputs]).sigmoid()
    record = partial(record_parity, "yolov5n", "YOLOv5 7.0's answers, real weights")
    for row in run["raw_top_by_objectness"]:
        at = row["row"]
        low, high = boxes[at, :2], boxes[at, 2:]
        got = torch.cat([(low + high) / 2, high - low, objectness[at : at + 1]])
        wanted = torch.tensor(row["xywh_obj"])
        record("raw boxes, px", float((got - wanted)[:4].abs().max()))
        record("raw scores", float((got - wanted)[4].abs()))
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
        assert int(classes[at].argmax()) == row["best_class"]
        assert float(classes[at].max()) == pytest.approx(row["cls"], abs=1e-4)
    (found,) = imported.detector.predict(batch, conf=0.25)
    placed = (found.boxes - torch.tensor([left, top, left, top])) / scale
    compare(placed, found.scores, found.named(), run["detections"], record)


def letterboxed(
    pixels: np.ndarray[Any, Any], stretch: Callable[..., Tensor], height: int, width: int
) -> tuple[Tensor, float, float, float]:
    """A picture scaled to fit and padded with grey as YOLOv5 does it; scale, left and top."""
    scale = min(640 / pixels.shape[0], 640 / pixels.shape[1])
    new_height, new_width = round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)
    batch = torch.full((1, 3, height, width), 114, dtype=torch.uint8)
    left, top = round((width - new_width) / 2 - 0.1), round((height - new_height) / 2 - 0.1)
    small = stretch(pixels, new_width, new_height).permute(2, 0, 1)
    batch[0, :, top : top + new_height, left : left + new_width] = small
    # the reference takes its boxes back by the size of the padded picture
    back = min(height / pixels.shape[0], width / pixels.shape[1])
    return (
        batch,
        back,
        (width - pixels.shape[1] * back) / 2,
        (height - pixels.shape[0] * back) / 2,
    )


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["yolov5n", "yolov5s", "yolov5n6", "yolov3-tiny"])
def test_random_weights_answer_as_in_the_yolov5_package(
    tmp_path: Path, name: str, record_parity: Callable[..., None]
) -> None:
    """Decoded boxes and scores of every place, for pictures that are not square."""
    peer = pytest.importorskip("yolov5.models.yolo")
    (text,) = Path(peer.__file__).parent.rglob(f"{name}.yaml")
    torch.manual_seed(0)
    model = peer.DetectionModel(str(text)).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.25, 0.75)
    for output in model.model[-1].m:
        nn.init.normal_(output.weight, std=output.in_channels**-0.5)
    with torch.no_grad():  # norms take the statistics of pictures: else all places are alike
        model(torch.rand(2, 3, 192, 256))
    torch.save({"model": model.eval()}, tmp_path / "n.pt")
    picture = torch.rand(1, 3, 192, 256)
    detector: Any = load(tmp_path / "n.pt", ImportHints()).detector
    with torch.no_grad():
        expected = model(picture)[0][0]
        levels = detector.places(detector.network(picture), (192, 256))
    outputs = [places for _, places in levels]
    boxes = torch.cat([places.boxes[0] for places in outputs])
    scores = torch.cat(
        [torch.cat((p.objectness[0, :, None], p.classes[0]), 1) for p in outputs]
    ).sigmoid()
    low, high = boxes[:, :2], boxes[:, 2:]
    got = torch.cat([(low + high) / 2, high - low, scores], 1)
    assert expected[:, 4:].std(0).max() > 0.005
    record = partial(record_parity, name, f"yolov5 {version('yolov5')}, random weights")
    record("boxes, px", float((got - expected)[:, :4].abs().max()))
    record("scores", float((got - expected)[:, 4:].abs().max()))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
