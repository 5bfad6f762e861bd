"""Our files of tensors: no changed byte is read, and no value that makes a network mute."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from smalldet.models.checkpoints import tensor_file
from smalldet.models.checkpoints.build_checked import build_checked, check_sound
from smalldet.models.checkpoints.native import load_detector, read_metadata, save_detector
from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.yolo.config import YoloConfig

CONFIG = YoloConfig(
    network="mine",
    text="anchors: [[4, 4]]\nlayers:\n  - {conv: 8, size: 3}\n"
    "  - {conv: 6, normalised: false, activation: linear}\n  - {yolo: [0]}\n",
)
KERNEL = "net.layers.conv0.conv.weight"


def test_tensors_of_every_type_come_back(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    tensors = {
        str(dtype): torch.arange(6).reshape(2, 3).to(dtype)
        for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.uint8)
    } | {"none": torch.zeros(0, 3), "one": torch.tensor(2.5)}
    write_tensors(path, tensors, {"a": "b"})
    found, metadata = read_tensors(path)
    assert metadata == {"a": "b"} and found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"w": torch.arange(4.0)}, {"a": "b"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if b"checksum" not in path.read_bytes():
            continue  # as a file of an earlier version, which has none
        try:
            tensors, metadata = read_tensors(path)
        except ValueError as error:
            assert "t.safetensors" in str(error)
        else:  # a blank of the header may become another one
            assert metadata == {"a": "b"} and torch.equal(tensors["w"], torch.arange(4.0))


def test_what_was_read_does_not_follow_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"w": torch.ones(100)}, {})
    tensors, _ = read_tensors(path)
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(tensors["w"], torch.ones(100))


def saved(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None]) -> Path:
    """A model with something changed, under the checksum of what it then holds."""
    torch.manual_seed(0)
    save_detector(path, CONFIG.build(("a",), 64), CONFIG)
    tensors, metadata = read_tensors(path)
    change(tensors, metadata)
    write_tensors(path, tensors, metadata)
    return path


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    def change(tensors: dict[str, Tensor], _: dict[str, str]) -> None:
        tensors[KERNEL] = tensors[KERNEL].double()  # 1e39 is finite there
        tensors[KERNEL][0, 0, 0, 0] = value

    path = saved(tmp_path / "m.safetensors", change)
    with pytest.raises(ValueError, match=rf"m\.safetensors: {KERNEL} has values .* not finite"):
        load_detector(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("tile_px", value) for value in ("0", "-5", "1000000000000", "x", "9" * 5000, "6.4")),
        *(("conf", value) for value in ("nan", "inf", "-1", "1.1", "")),
        *(("class_names", value) for value in ("[]", "null", "[1]", '["a", ""]', "[" * 100_000)),
        *(("model", value) for value in ("null", "[]", "{", '{"family": [1]}')),
        *(("about", value) for value in ("null", "[1]", "x")),
    ],
)
def test_fields_of_the_header_are_checked_by_key(tmp_path: Path, key: str, value: str) -> None:
    path = saved(tmp_path / "m.safetensors", lambda _, metadata: metadata.update({key: value}))
    with pytest.raises(ValueError, match=rf"m\.safetensors: .*({key}|family)"):
        load_detector(path)


def test_a_header_that_lacks_a_field_is_refused_by_key(tmp_path: Path) -> None:
    for key in ("model", "class_names", "tile_px", "about"):
        path = saved(tmp_path / "m.safetensors", lambda _, metadata, key=key: metadata.pop(key))
        for read in (load_detector, read_metadata):
            with pytest.raises(ValueError, match=rf"m\.safetensors: its header has no {key}"):
                read(path)


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It has no checksum, and the first ones no confidence either."""
    path = saved(tmp_path / "m.safetensors", lambda *_: None)
    tensors, metadata = read_tensors(path)
    del metadata["conf"]
    save_file(tensors, path, metadata)
    assert load_detector(path).conf == 0.25


def test_a_schema_of_a_far_larger_network_is_not_built(tmp_path: Path) -> None:
    """Numbers of a schema are claims: a few bytes must not take gigabytes or minutes."""
    small = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
    state = small.build(("a",), 64).state_dict()
    for claim in ({"width": 20_000}, {"num_context": 900_000}):
        with pytest.raises(ValueError, match=r"m: .* far larger than the weights"):
            build_checked(Path("m"), small.model_copy(update=claim), ("a",), 64, state)
    for claim in ({"width": 10**12}, {"width": 10**400}, {"box_weight": float("inf")}):
        with pytest.raises(ValueError, match=next(iter(claim))):
            SpeckConfig.model_validate(claim)


def test_variances_may_be_rounded_below_nought_but_not_negative() -> None:
    norm = nn.BatchNorm2d(2, eps=1e-3)
    assert norm.running_var is not None
    norm.running_var.fill_(-1e-9)
    check_sound(Path("m"), norm)
    norm.running_var.fill_(-0.5)
    with pytest.raises(ValueError, match=r"m: .*running_var is negative"):
        check_sound(Path("m"), norm)


def test_a_full_disk_is_an_error_of_the_system_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library tells it as text, in an error of its own that is no OSError."""

    def full(tensors: object, draft: Path, metadata: object) -> None:
        draft.write_bytes(b"half")
        raise tensor_file.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tensor_file, "save_file", full)
    with pytest.raises(OSError, match=r"No space left .*m\.safetensors") as caught:
        save_detector(tmp_path / "m.safetensors", CONFIG.build(("a",), 64), CONFIG)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []  # noqa: PTH208
