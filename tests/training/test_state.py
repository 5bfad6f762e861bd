"""A state that is damaged, of another model, or without sound numbers is not gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors
from smalldet.models.yolo.config import YoloConfig
from smalldet.training.ema import Ema
from smalldet.training.state import Progress, load_state, save_state

CONFIG = YoloConfig(
    network="mine",
    text="anchors: [[4, 4]]\nlayers:\n  - {conv: 8, size: 3}\n"
    "  - {conv: 6, normalised: false, activation: linear}\n  - {yolo: [0]}\n",
)
Parts = tuple[torch.nn.Module, Ema, torch.optim.Optimizer]


def parts(seed: int = 0) -> Parts:
    torch.manual_seed(seed)
    detector = CONFIG.build(("a",), 64)
    return detector, Ema(detector, 0.9), torch.optim.AdamW(detector.parameters(), lr=0.1)


def saved(path: Path) -> Parts:
    detector, ema, optimiser = parts()
    for parameter in detector.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    save_state(path, detector, ema, optimiser, Progress(1, 2, 3, 4.5, 0.5, 0.3))
    return detector, ema, optimiser


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    detector, ema, optimiser = saved(tmp_path / "r.safetensors")
    fresh = parts(seed=1)
    assert load_state(tmp_path / "r.safetensors", *fresh) == Progress(1, 2, 3, 4.5, 0.5, 0.3)
    for one, other in ((detector, fresh[0]), (ema.model, fresh[1].model)):
        for key, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[key]), key
    for row, values in optimiser.state_dict()["state"].items():
        for key, value in values.items():
            assert torch.equal(value, fresh[2].state_dict()["state"][row][key])


def nan_at(key: str) -> Callable[[dict[str, Tensor], dict[str, object]], object]:
    return lambda tensors, _: tensors[key].view(-1)[0].fill_(float("nan"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nan_at("model.net.layers.conv0.conv.weight"), "model.net.* not finite"),
        (nan_at("ema.net.layers.conv1.conv.bias"), "ema.net.* not finite"),
        (nan_at("optimiser.0.exp_avg_sq"), "optimiser.0.exp_avg_sq .*not finite"),
        (lambda tensors, _: tensors.pop("optimiser.0.step"), "not complete"),
        (lambda tensors, _: tensors.pop("model.net.layers.conv1.conv.bias"), "Missing key"),
        (lambda tensors, _: tensors.update({"optimiser.99.step": torch.ones(())}), "no parameter"),
        (lambda tensors, _: tensors.update({"optimiser.0.exp_avg": torch.ones(2)}), "shape"),
        (lambda _, progress: progress.update(conf=-1), "conf is -1"),
        (lambda _, progress: progress.update(best_ap=4096), "best_ap is 4096"),
        (lambda _, progress: progress.update(epoch="x"), "epoch is 'x'"),
        (lambda _, progress: progress.update(elapsed_s=float("inf")), "elapsed_s is inf"),
        (lambda _, progress: progress.update(more=1), "more"),
    ],
)
def test_what_is_not_sound_is_refused(
    tmp_path: Path, change: Callable[..., object], message: str
) -> None:
    path = tmp_path / "r.safetensors"
    saved(path)
    tensors, texts = read_tensors(path)
    progress = json.loads(texts["progress"])
    change(tensors, progress)
    write_tensors(path, tensors, {"progress": json.dumps(progress)})
    with pytest.raises(ValueError, match=rf"(?s)r\.safetensors: .*{message}"):
        load_state(path, *parts())


def test_flipped_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    saved(path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.safetensors: damaged"):
        load_state(path, *parts())
