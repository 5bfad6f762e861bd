"""A detector in torch as a tile model: batches suit the device, and weights tell it apart."""

from __future__ import annotations

import pytest
import torch

from smalldet.models import Detector
from smalldet.models.speck.config import SpeckConfig
from smalldet.tile_models import TorchTileModel
from smalldet.tile_models.torch_model import BATCH_PX


def small_detector(class_names: tuple[str, ...] = ("a", "b"), seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
    return config.build(class_names, tile_px=64)


def test_batches_hold_a_million_pixels_on_a_cpu() -> None:
    model = TorchTileModel(small_detector(), "cpu")
    assert BATCH_PX["cpu"] == 1_000_000
    assert model.batch_size(128, 128) == 61
    assert model.batch_size(5000, 5000) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_batches_fit_in_the_memory_of_a_gpu() -> None:
    assert 1 <= TorchTileModel(small_detector(), "cuda").batch_size(640, 630) <= 39


def test_the_fingerprint_follows_weights_and_classes() -> None:
    """A run is not gone on with by other weights, nor by the same under other names."""
    one = TorchTileModel(small_detector(), "cpu").fingerprint
    assert TorchTileModel(small_detector(), "cpu").fingerprint == one
    assert TorchTileModel(small_detector(("a", "c")), "cpu").fingerprint != one
    changed = small_detector()
    with torch.no_grad():
        list(changed.parameters())[-1].view(-1)[0] += 1e-3
    assert TorchTileModel(changed, "cpu").fingerprint != one


def test_the_detector_itself_is_left_as_it_is() -> None:
    """Training goes on with it after a validation."""
    detector = small_detector()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    model = TorchTileModel(detector, "cpu")
    model.detect(torch.zeros((1, 3, 64, 64), dtype=torch.uint8), 0.5, 10)
    after = detector.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.requires_grad for parameter in detector.parameters())


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="device 'abacus'"):
        TorchTileModel(small_detector(), "abacus")
