"""The refiner: a second look at boxes finds the edges that a coarse grid missed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from smalldet.geometry.boxes import box_sides
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.models.checkpoints.native import load_detector, save_detector, transfer_from
from smalldet.models.losses import box_loss
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.refiner import PixelRefiner
from smalldet.targets import Target

SIDE = 64
CLASSES = ("target",)
SMALL = {"backbone": "test_efficientnet", "width": 16}


def drawn(num: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (N, 3, 64, 64) with one bright patch of 4 to 8 px each, its box, and a box near it.

    The ground is noise, and each picture has a brightness and contrast of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    sides = torch.randint(4, 9, (num, 2), generator=generator)
    corners = torch.randint(16, SIDE - 24, (num, 2), generator=generator)
    boxes = torch.cat([corners, corners + sides], 1).float()
    centres = torch.arange(SIDE) + 0.5
    inside = [(centres >= boxes[:, i, None]) & (centres < boxes[:, i + 2, None]) for i in (0, 1)]
    patch = (inside[1][:, :, None] & inside[0][:, None, :]).float()
    noise = 0.02 * torch.randn(num, SIDE, SIDE, generator=generator)
    ground, contrast = (torch.rand(num, 1, 1, generator=generator) for _ in range(2))
    pictures = 0.1 + 0.3 * ground + (0.2 + 0.4 * contrast) * patch + noise
    near = boxes + 0.15 * sides.repeat(1, 2) * torch.randn(num, 4, generator=generator)
    return pictures.clamp(0, 1)[:, None].expand(-1, 3, -1, -1), boxes, near


def test_a_second_look_learns_where_edges_are() -> None:
    torch.manual_seed(0)
    refiner = PixelRefiner()
    pictures, boxes, near = drawn(512, seed=1)
    optimiser = torch.optim.AdamW(refiner.parameters(), lr=2e-3)
    for step in range(120):
        rows = torch.arange(64) + 64 * (step % 8)
        found = refiner(pictures[rows], near[rows], torch.arange(64))
        optimiser.zero_grad()
        box_loss(found, boxes[rows]).mean().backward()
        optimiser.step()
    pictures, boxes, near = drawn(256, seed=2)
    with torch.no_grad():
        found = refiner(pictures, near, torch.arange(256))
    assert iou(near, boxes).mean() < 0.7
    assert iou(found, boxes).mean() > 0.8


def test_boxes_start_out_nearly_where_they_are() -> None:
    torch.manual_seed(0)
    pictures, _, near = drawn(64, seed=1)
    with torch.no_grad():
        found = PixelRefiner()(pictures, near, torch.arange(64))
    assert iou(found, near).mean() > 0.85
    assert (found != near).any()


def test_every_box_is_sought_in_its_own_picture_wherever_it_stands() -> None:
    """Shifted pictures give shifted boxes, whatever else is in the batch and in which order."""
    torch.manual_seed(0)
    refiner = PixelRefiner()
    pictures, _, near = drawn(4, seed=3)
    moved = pictures.roll((5, 3), (2, 3))
    batch = torch.cat([moved, pictures]).flip(0)
    with torch.no_grad():
        alone = torch.cat(
            [
                refiner(pictures[i : i + 1], near[i : i + 1], torch.zeros(1, dtype=torch.long))
                for i in range(4)
            ]
        )
        here = refiner(batch, near, torch.tensor([3, 2, 1, 0]))
        there = refiner(batch, near + torch.tensor([3.0, 5, 3, 5]), torch.tensor([7, 6, 5, 4]))
    torch.testing.assert_close(here, alone)
    torch.testing.assert_close(there - torch.tensor([3.0, 5, 3, 5]), alone, rtol=1e-4, atol=1e-3)


def test_brightness_and_contrast_do_not_move_a_box() -> None:
    torch.manual_seed(0)
    refiner = PixelRefiner()
    pictures, _, near = drawn(8, seed=4)
    with torch.no_grad():
        bright = refiner(0.3 + 0.5 * pictures, near, torch.arange(8))
        torch.testing.assert_close(
            bright, refiner(pictures, near, torch.arange(8)), rtol=1e-4, atol=1e-3
        )


def test_a_flat_ground_is_not_stretched_to_noise() -> None:
    """Noise of a tenth of a grey level moves no box."""
    torch.manual_seed(0)
    refiner = PixelRefiner()
    box = torch.tensor([[20.0, 20, 26, 25]])
    flat = torch.full((1, 3, SIDE, SIDE), 0.4)
    noisy = flat + 0.0004 * torch.randn(flat.shape)
    picture = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        torch.testing.assert_close(
            refiner(noisy, box, picture), refiner(flat, box, picture), rtol=0, atol=0.02
        )


def test_large_boxes_stay_where_they_are() -> None:
    torch.manual_seed(0)
    picture = drawn(1, seed=6)[0]
    boxes = torch.tensor([[20.0, 20, 36, 36], [10, 10, 60, 50], [20, 20, 28, 28]])
    with torch.no_grad():
        found = PixelRefiner()(picture, boxes, torch.zeros(3, dtype=torch.long))
    assert torch.equal(found[:2], boxes[:2])
    assert not torch.equal(found[2], boxes[2])


def built(**options: object) -> Speck:
    torch.manual_seed(0)
    return SpeckConfig.model_validate({**SMALL, **options}).build(CLASSES, SIDE)


def scene(num: int = 2) -> tuple[Tensor, list[Target]]:
    pictures, boxes, _ = drawn(num, seed=5)
    labels = torch.zeros(1, dtype=torch.long)
    return pictures, [Target.of(box[None], labels, 1) for box in boxes]


def test_speck_teaches_its_refiner_and_nothing_else_through_it() -> None:
    detector = built(refine=True).train()
    terms = detector.loss(*scene())
    assert terms["refine"] > 0
    terms["refine"].backward()
    taught = {name for name, value in detector.named_parameters() if value.grad is not None}
    assert taught == {f"refiner.{name}" for name, _ in PixelRefiner().named_parameters()}
    slopes = [value.grad for value in detector.parameters() if value.grad is not None]
    assert all(slope.abs().sum() > 0 for slope in slopes)


def test_pictures_without_objects_and_without_finds_pass() -> None:
    detector = built(refine=True).train()
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 1)
    terms = detector.loss(scene()[0], [nothing, nothing])
    torch.stack(list(terms.values())).sum().backward()
    assert terms["refine"].item() == 0
    assert [len(found) for found in detector.eval().predict(scene()[0], conf=1.0)] == [0, 0]


def test_prediction_takes_the_second_look_and_keeps_the_scores() -> None:
    plain, refining = built().eval(), built(refine=True).eval()
    transfer_from(plain, refining, "plain")
    assert refining.refiner is not None
    with torch.no_grad():  # every box a quarter of its width to the right
        refining.refiner.shift.bias.copy_(torch.tensor([0.25, 0, 0, 0]))
        refining.refiner.shift.weight.zero_()
    pictures = scene()[0]
    before = plain.predict(pictures, conf=0.0, max_detections=5)
    after = refining.predict(pictures, conf=0.0, max_detections=5)
    for was, found in zip(before, after, strict=True):
        quarter = (was.boxes[:, 2] - was.boxes[:, 0]) / 4
        quarter = quarter * ((16 - box_sides(was.boxes)) / 8).clamp(0, 1)
        assert (quarter > 0).any()
        moved = was.boxes + quarter[:, None] * torch.tensor([1.0, 0, 1, 0])
        rows = pairwise(iou, found.boxes, moved.clamp(0, SIDE)).max(1)
        assert 0 < len(found) <= len(was)
        assert (rows.values > 0.999).all()
        torch.testing.assert_close(found.scores, was.scores[rows.indices])


def test_two_boxes_that_become_one_leave_the_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = built(refine=True).eval()
    monkeypatch.setattr(
        detector.refiner,
        "forward",
        lambda images, boxes, pictures: torch.tensor([[20.0, 20, 26, 25]]).expand(len(boxes), 4),
    )
    plain = built().eval()
    transfer_from(detector, plain, "refining")
    (found,) = detector.predict(scene(1)[0], conf=0.0, max_detections=9)
    (before,) = plain.predict(scene(1)[0], conf=0.0, max_detections=9)
    assert len(before) > 1
    assert found.scores.tolist() == [before.scores[0].item()]


def test_a_detector_that_never_took_a_second_look_can_begin_to(tmp_path: Path) -> None:
    plain, refining = built(), built(refine=True)
    fresh = transfer_from(plain, refining, "plain")
    assert all(name.startswith("refiner.") for name in fresh)
    config = SpeckConfig.model_validate({**SMALL, "refine": True})
    save_detector(tmp_path / "a.safetensors", refining, config, {})
    loaded = load_detector(tmp_path / "a.safetensors")
    expected = refining.eval().predict(scene()[0], conf=0.0, max_detections=5)
    for a, b in zip(loaded.predict(scene()[0], conf=0.0, max_detections=5), expected, strict=True):
        torch.testing.assert_close(a.boxes, b.boxes)
