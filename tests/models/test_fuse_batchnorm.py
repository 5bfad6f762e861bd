"""Folded norms leave everything as it was, in every family."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from smalldet.detections import Detections
from smalldet.models.detector import Detector, Outputs, Size
from smalldet.models.families import FAMILIES
from smalldet.models.fuse_batchnorm import NORMS, fuse_batchnorm
from smalldet.targets import Target

TINY_PYRAMID = {"backbone": "mobilenetv3_small_050", "strides": (4, 8, 16), "width": 32}
SMALLEST = {
    "faster_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "mask_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "oriented_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "retinanet": TINY_PYRAMID,
    "rotated_retinanet": TINY_PYRAMID,
    "speck": {"backbone": "test_efficientnet", "width": 16},
    "speck packed": {"size": "t", "backbone": "test_efficientnet", "width": 16},
    "yolov3-tiny": {"network": "yolov3-tiny"},
    "yolov5n": {"network": "yolov5n"},
}


RANGES = {
    "weight": (0.7, 1.3),
    "bias": (-0.2, 0.2),
    "running_mean": (-0.2, 0.2),
    "running_var": (0.7, 1.3),
}


@torch.no_grad()
def trained(detector: nn.Module) -> None:
    """Norms that do something, as after training; as built they change next to nothing."""
    draw = torch.Generator().manual_seed(1)
    for module in detector.modules():
        if type(module) in NORMS:
            for name, (low, high) in RANGES.items():
                values = getattr(module, name)
                values.copy_(low + (high - low) * torch.rand(values.shape, generator=draw))


def outputs_of(detector: Detector, names: set[str], image: Tensor) -> dict[str, list[Tensor]]:
    """What the modules of these names give, in the order of their calls."""
    given: dict[str, list[Tensor]] = {name: [] for name in names}

    def note(name: str) -> Callable[..., None]:
        return lambda module, args, output: given[name].append(output.clone())

    hooks = [
        module.register_forward_hook(note(name))
        for name, module in detector.named_modules()
        if name in names
    ]
    with torch.inference_mode():
        detector.predict(image)
    for hook in hooks:
        hook.remove()
    return given


@pytest.mark.parametrize("name", SMALLEST)
def test_what_follows_each_norm_stays_the_same(name: str) -> None:
    torch.manual_seed(0)
    options = SMALLEST[name]
    family = "yolo" if name.startswith("yolo") else name.split()[0]
    detector = FAMILIES[family](**options).build(("a", "b"), 128).eval()
    trained(detector)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    fused = fuse_batchnorm(detector)
    norms = {key for key, module in detector.named_modules() if type(module) in NORMS}
    left = {key for key, module in fused.named_modules() if type(module) in NORMS}
    assert norms and len(left) <= len(norms) / 10
    for key, value in detector.state_dict().items():
        assert torch.equal(value, before[key]), "the detector itself is left as it is"

    image = torch.rand(1, 3, 192, 128, generator=torch.Generator().manual_seed(2))
    own, other = (outputs_of(model, norms, image) for model in (detector, fused))
    for key in norms:
        assert len(own[key]) == len(other[key])
        for one, same in zip(own[key], other[key], strict=True):
            torch.testing.assert_close(same, one, rtol=1e-5, atol=1e-5 * float(one.abs().max()))


class Odd(Detector):
    """Norms that must stay: of two convolutions, of one whose output is used beside it, of none."""

    class_names = ("a",)
    in_channels, stride, tile_px = 3, 8, 64

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.plain = (
            nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)
        )
        self.shared, self.beside, self.bare, self.fine = (nn.BatchNorm2d(3) for _ in range(4))

    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        raise NotImplementedError

    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        raise NotImplementedError

    def network(self, images: Tensor) -> Outputs:
        both = self.shared(self.first(images)) + self.shared(self.second(images))
        raw = self.third(images)
        return (both + raw + self.beside(raw) + self.bare(images) + self.fine(self.plain(images)),)

    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        return [Detections.empty(self.class_names) for _ in outputs[0]]


def test_norms_that_are_not_of_one_convolution_alone_stay() -> None:
    torch.manual_seed(0)
    odd = Odd().eval()
    trained(odd)
    fused = fuse_batchnorm(odd)
    assert [isinstance(getattr(fused, name), nn.BatchNorm2d) for name in (
        "shared", "beside", "bare", "fine",
    )] == [True, True, True, False]  # fmt: skip
    image = torch.rand(1, 3, 64, 64)
    (map_,), (fused_map,) = odd.network(image), fused.network(image)
    torch.testing.assert_close(fused_map, map_, rtol=1e-5, atol=1e-5)


def test_a_detector_without_norms_is_taken_as_it_is() -> None:
    plain = Odd()
    for name in ("shared", "beside", "bare", "fine"):
        setattr(plain, name, nn.Identity())
    assert fuse_batchnorm(plain) is plain
