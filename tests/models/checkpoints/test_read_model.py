"""Whatever file of weights is given, it is known by its content, and can be kept as our own."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from smalldet.models import convert_model, load_model
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.native import save_detector, transfer_from
from smalldet.models.checkpoints.read_model import read_model, write_model
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.yolo import YoloDetector, known_text
from smalldet.models.yolo.config import YoloConfig

TEXT = known_text("yolov5n").replace("width: 0.25", "width: 0.125")


def own(path: Path, names: tuple[str, ...] = ("car", "ship")) -> YoloDetector:
    """A small detector, kept at `path`."""
    torch.manual_seed(0)
    config = YoloConfig(network="mine", text=TEXT)
    detector = config.build(names, 96).eval()
    save_detector(path, detector, config)
    return detector


def test_darknet_and_back_finds_the_same(tmp_path: Path) -> None:
    """Our own to Darknet (with cfg and names beside it) to our own."""
    before = own(tmp_path / "a.safetensors")
    written = convert_model(tmp_path / "a.safetensors", tmp_path / "b.weights")
    assert sorted(path.name for path in written) == ["b.cfg", "b.names", "b.weights"]
    convert_model(tmp_path / "b.weights", tmp_path / "c.safetensors")
    after = load_model(tmp_path / "c.safetensors")
    assert (after.class_names, after.tile_px) == (before.class_names, before.tile_px)
    picture = torch.rand(1, 3, 96, 96)
    (one,), (other,) = before.predict(picture, conf=0.001), after.predict(picture, conf=0.001)
    assert len(one) > 0
    torch.testing.assert_close(one.scores, other.scores, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(one.boxes, other.boxes, rtol=1e-3, atol=1e-2)
    with pytest.raises(FileExistsError, match=r"b\.weights"):
        convert_model(tmp_path / "a.safetensors", tmp_path / "b.weights")


def test_what_the_file_cannot_say_is_asked_for(tmp_path: Path) -> None:
    own(tmp_path / "a.safetensors")
    convert_model(tmp_path / "a.safetensors", tmp_path / "b.weights")
    (tmp_path / "b.names").rename(tmp_path / "some.names")
    with pytest.raises(ValueError, match=r"b\.weights holds no|b\.weights: .*no class names"):
        load_model(tmp_path / "b.weights")
    for names in ("x,y", ("x", "y")):
        assert load_model(tmp_path / "b.weights", class_names=names).class_names == ("x", "y")
    for names in (tmp_path / "some.names", str(tmp_path / "some.names")):
        assert load_model(tmp_path / "b.weights", class_names=names).class_names == ("car", "ship")
    with pytest.raises(ValueError, match="2 classes, but 3 class names"):
        load_model(tmp_path / "b.weights", class_names="x,y,z")
    with pytest.raises(FileNotFoundError, match=r"absent\.names"):
        load_model(tmp_path / "b.weights", class_names="absent.names")
    (tmp_path / "b.cfg").rename(tmp_path / "some.cfg")
    with pytest.raises(FileNotFoundError, match=r"b\.cfg: .*needs the \.cfg"):
        load_model(tmp_path / "b.weights", class_names="x,y")
    network = str(tmp_path / "some.cfg")
    assert load_model(tmp_path / "b.weights", class_names="x,y", network=network).tile_px == 96


def test_a_checkpoint_of_our_own_can_be_given_other_names(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    own(path)
    assert read_model(path, ImportHints(class_names=("x", "y"))).detector.class_names == ("x", "y")
    with pytest.raises(ValueError, match="2 classes, but 1 class names were given"):
        read_model(path, ImportHints(class_names=("x",)))
    with pytest.raises(ValueError, match="says itself what network"):
        read_model(path, ImportHints(network="yolov5n"))


def test_fine_tuning_keeps_what_both_know(tmp_path: Path) -> None:
    given = own(tmp_path / "a.safetensors")
    convert_model(tmp_path / "a.safetensors", tmp_path / "b.weights")
    ours = YoloConfig(text=TEXT).build(("plane", "Car", "truck"), 64)
    fresh = transfer_from(load_model(tmp_path / "b.weights"), ours, "b.weights")
    assert len(fresh) == 6  # kernels and biases of three outputs
    for output, other in zip(ours.outputs, given.outputs, strict=True):
        key = f"net.layers.{ours.net.names[output.sources[0]]}.conv.weight"
        assert key in fresh
        new, old = ours.state_dict()[key].view(3, 8, -1), given.state_dict()[key].view(3, 7, -1)
        torch.testing.assert_close(new[:, :5], old[:, :5])  # boxes and objectness
        torch.testing.assert_close(new[:, 6], old[:, 5])  # car
        assert other.num_classes == 2
    first = "net.layers.conv0.conv.weight"
    torch.testing.assert_close(ours.state_dict()[first], given.state_dict()[first])


def test_formats_that_cannot_hold_a_detector_say_so(tmp_path: Path) -> None:
    own(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"b\.onnx: write to \.safetensors"):
        convert_model(tmp_path / "a.safetensors", tmp_path / "b.onnx")
    with pytest.raises(ValueError, match=r"b\.pth: torchvision"):
        convert_model(tmp_path / "a.safetensors", tmp_path / "b.pth")
    speck = SpeckConfig(backbone="mobilenetv3_small_050", width=32)
    with pytest.raises(ValueError, match="Darknet knows the YOLO family only"):
        write_model(tmp_path / "b.weights", LoadedModel(speck.build(("car",), 64), speck))


class Calling:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo ran > ran",)


def test_unknown_and_hostile_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Calling()}, "hostile.pt")
    torch.save({"model": Calling()}, "hostile.pth", _use_new_zipfile_serialization=False)
    Path("hostile.pkl").write_bytes(pickle.dumps(Calling()))
    torch.save({"weight": torch.zeros(2)}, "foreign.pth")
    Path("text.pt").write_text("hello", encoding="utf-8")
    Path("empty.weights").write_bytes(b"")
    Path("empty.cfg").write_text("", encoding="utf-8")
    for file, message in {
        "hostile.pt": "refused",
        "hostile.pth": "refused",
        "hostile.pkl": "refused|torch",
        "foreign.pth": "no network that is known",
        "text.pt": "no file of weights that is known",
        "empty.weights": r"begins with \[net\]",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_model(file)
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    "name",
    [
        "ckpt-0.index",
        "ckpt-0.data-00000-of-00001",
        "model.ckpt-200000.meta",
        "frozen_inference_graph.pb",
    ],
)
def test_tensorflows_checkpoints_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(ValueError, match=rf"{name}: checkpoints of TensorFlow.* are not read: .*"):
        read_model(path)
