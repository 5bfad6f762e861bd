"""The table of runtimes: which one opens a file, and that another is one line more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from smalldet.models import load_model
from smalldet.tile_models import RUNTIMES, Runtime, TorchTileModel, open_tile_model, runtimes


def test_an_embedded_model_opens_in_torch() -> None:
    model = open_tile_model("speck-n-aerial", device="cpu")
    detector = load_model("speck-n-aerial")
    assert isinstance(model, TorchTileModel)  # as the environment of the tests says
    assert model.runtime.startswith("cpu in torch.")
    for name in ("class_names", "in_channels", "stride", "least_px", "tile_px", "conf"):
        assert getattr(model, name) == getattr(detector, name)


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.safetensors"):
        open_tile_model(tmp_path / "nowhere.safetensors")
    (tmp_path / "a.txt").write_text("a text that is no model")
    with pytest.raises(ValueError, match=r"a\.txt: no file of weights"):
        open_tile_model(tmp_path / "a.txt")


def test_a_new_runtime_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes before torch, takes its own kind of file, and is told what a person said."""
    opened: list[object] = []

    def open_abacus(*what: object) -> TorchTileModel:
        opened.append(what)
        return TorchTileModel(load_model(), "cpu")

    abacus = Runtime("abacus", lambda path: path.suffix == ".beads", open_abacus)
    monkeypatch.setattr(runtimes, "RUNTIMES", (abacus, *RUNTIMES))
    path = tmp_path / "a.beads"
    path.write_bytes(b"beads")
    open_tile_model(path, class_names="a,b", network="n", device="cpu", backend="abacus")
    assert opened == [(path, "a,b", "n", "cpu")]
    assert isinstance(open_tile_model(device="cpu", backend="torch"), TorchTileModel)
    assert len(opened) == 1


def test_a_backend_that_is_none_or_cannot_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="backend 'abacus' is unknown: choose auto, torch"):
        open_tile_model(backend="abacus")
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"m\.onnx: torch does not read it; onnxruntime, openvino"):
        open_tile_model(tmp_path / "m.onnx", backend="torch")
    with pytest.raises(ValueError, match=r"onnxruntime does not read it; openvino does"):
        open_tile_model(tmp_path, backend="onnxruntime")


def test_auto_opens_what_a_trial_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment settles it; without, a trial does, among those that read the file."""
    tried: list[list[str]] = []

    def fastest(openers: Sequence[tuple[str, object]], *_: object) -> str:
        tried.append([name for name, _ in openers])
        return "the fastest"

    monkeypatch.setattr(runtimes, "fastest", fastest)
    monkeypatch.setattr(runtimes, "find_spec", lambda _: object())
    open_tile_model(device="cpu")
    assert not tried
    monkeypatch.delenv("SMALLDET_BACKEND")
    (tmp_path / "m.onnx").write_bytes(b"anything")
    for path in ("speck-n-thermal", tmp_path / "m.onnx"):
        assert open_tile_model(path, device="cpu") == "the fastest"
    assert tried == [["torch", "onnxruntime", "openvino"], ["onnxruntime", "openvino"]]
