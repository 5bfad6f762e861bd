"""A Darknet network keeps the contract of every detector."""

from __future__ import annotations

import pytest
import torch

from smalldet.models.yolo.darknet import parse_cfg
from smalldet.models.yolo.detector import YoloDetector
from smalldet.targets import Target

CLASSES = ("car", "ship")


def conv(filters: int, stride: int = 1, activation: str = "leaky", groups: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize=3\nstride={stride}\npad=1\n"
        f"groups={groups}\nactivation={activation}\n"
    )


def head(mask: str, more: str = "", activation: str = "linear") -> str:
    return (
        f"[convolutional]\nsize=1\nfilters=14\nactivation={activation}\n[yolo]\nmask={mask}\n"
        f"anchors=6,6, 12,12, 24,24, 60,60\nclasses=2\nnum=4\n{more}"
    )


def small_cfg(more: str = "iou_loss=ciou\niou_thresh=0.213\n", activation: str = "linear") -> str:
    """Strides 4 and 8 of a 96 x 96 picture, with nearly every kind of section."""
    return (
        "[net]\nwidth=96\nheight=96\nchannels=3\n"
        + conv(8, 2, "mish")
        + conv(16, 2, "swish")
        + conv(16, 1, "relu6", groups=16)
        + "[shortcut]\nfrom=-2\nactivation=relu\n[dropout]\nprobability=.1\n"
        + "[maxpool]\nsize=2\nstride=2\n"
        + conv(16)
        + "[maxpool]\nsize=5\nstride=1\n[avgpool]\n[convolutional]\nsize=1\nfilters=16\n"
        + "[scale_channels]\nfrom=7\n"
        + head("2,3", more, activation)
        + "[route]\nlayers=10\n[upsample]\nstride=2\n[route]\nlayers=-1,4\n"
        + conv(16)
        + head("0,1", more, activation)
    )


@pytest.fixture
def detector() -> YoloDetector:
    torch.manual_seed(0)
    return YoloDetector(parse_cfg(small_cfg()), CLASSES)


def pictures(count: int, side: int = 96) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def objects() -> Target:
    sides = torch.tensor([5.0, 7, 12, 25, 60])
    centres = torch.tensor([[10.0, 10], [40, 12], [80, 20], [20, 60], [60, 60]])
    boxes = torch.cat([centres - sides[:, None] / 2, centres + sides[:, None] / 2], 1)
    return Target.of(boxes.clamp(0, 96), torch.arange(5) % 2, 2)


def test_what_it_says_of_itself(detector: YoloDetector) -> None:
    assert (detector.stride, detector.tile_px, detector.in_channels) == (8, 96, 3)
    assert detector.class_names == CLASSES
    assert [tuple(raw.shape) for raw in detector.network(pictures(1))] == [
        (1, 14, 12, 12),
        (1, 14, 24, 24),
    ]


def test_names_must_be_as_many_as_classes() -> None:
    with pytest.raises(ValueError, match="2 classes, but 3 class names"):
        YoloDetector(parse_cfg(small_cfg()), ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"no \[yolo\] layer"):
        YoloDetector(parse_cfg("[net]\n" + conv(4)), ("a",))


@pytest.mark.parametrize(
    ("more", "activation"),
    [
        ("", "linear"),
        ("iou_loss=ciou\niou_thresh=0.213\nscale_x_y=1.1\n", "linear"),
        ("iou_loss=ciou\nnew_coords=1\nscale_x_y=2\n", "logistic"),
        ("new_coords=1\nscale_x_y=2\n", "logistic"),
    ],
)
def test_loss_is_finite_and_reaches_every_parameter(more: str, activation: str) -> None:
    torch.manual_seed(0)
    detector = YoloDetector(parse_cfg(small_cfg(more, activation)), CLASSES).train()
    terms = detector.loss(pictures(2), [objects()] * 2)
    assert set(terms) == {"box", "objectness", "class"}
    torch.stack(list(terms.values())).sum().backward()
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, f"{name} learns nothing"


def test_loss_without_objects_and_where_all_is_muted(detector: YoloDetector) -> None:
    detector.eval()
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2)
    open_ground = detector.loss(pictures(1), [nothing])
    assert open_ground["objectness"] > 0
    muted = Target(
        nothing.boxes,
        nothing.labels,
        torch.tensor([[0.0, 0, 96, 96]]),
        torch.ones(1, 2, dtype=torch.bool),
    )
    assert sum(term.item() for term in detector.loss(pictures(1), [muted]).values()) == 0


@pytest.mark.parametrize("more", ["", "iou_loss=ciou\niou_normalizer=0.07\n"])
def test_it_learns_a_picture(more: str) -> None:
    """What loss and decoding call a box must be the same thing."""
    torch.manual_seed(0)
    cfg = small_cfg(more).replace("probability=.1", "probability=0")
    detector = YoloDetector(parse_cfg(cfg), CLASSES).train()
    # noise tells places apart; one object for each output, centres inside their cells
    picture = torch.rand(1, 3, 96, 96)
    boxes = torch.tensor([[42.0, 23, 49, 30], [9, 65, 31, 87]])
    target = Target.of(boxes, torch.tensor([0, 1]), 2)
    optimiser = torch.optim.Adam(detector.parameters(), 0.01)
    for step in range(80):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 80)
        optimiser.zero_grad()
        torch.stack(list(detector.loss(picture, [target]).values())).sum().backward()
        optimiser.step()
    found = detector.predict(picture, conf=0.25)[0]
    assert sorted(found.labels.tolist()) == [0, 1]
    torch.testing.assert_close(found.boxes[found.labels.argsort()], boxes, atol=1.5, rtol=0)


def test_a_batch_is_predicted_like_single_pictures(detector: YoloDetector) -> None:
    """Place by place: in a sorted list, places of nearly one score change their order."""
    detector.eval()
    together = detector.places(detector.network(pictures(2)), (96, 96))
    for i in range(2):
        alone = detector.places(detector.network(pictures(2)[i : i + 1]), (96, 96))
        for (_, one), (_, both) in zip(alone, together, strict=True):
            torch.testing.assert_close(one.boxes[0], both.boxes[i], rtol=1e-3, atol=1e-2)
            torch.testing.assert_close(one.objectness[0], both.objectness[i], rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(one.classes[0], both.classes[i], rtol=1e-3, atol=1e-4)


def test_predictions_are_detections_in_any_mode_and_size(detector: YoloDetector) -> None:
    for training, side in ((True, 96), (False, 128)):
        (found,) = detector.train(training).predict(pictures(1, side), conf=0.0, max_detections=7)
        assert 0 < len(found) <= 7
        assert found.class_names == CLASSES
        assert not found.boxes.requires_grad
        assert (found.scores.diff() <= 0).all()
        assert found.boxes.min() >= 0
        assert found.boxes.max() <= side


def test_bytes_and_floats_are_the_same_picture(detector: YoloDetector) -> None:
    detector.eval()
    as_bytes = detector.predict(pictures(1), conf=0.0, max_detections=5)[0]
    as_floats = detector.predict(pictures(1).float() / 255, conf=0.0, max_detections=5)[0]
    torch.testing.assert_close(as_bytes.boxes, as_floats.boxes)
