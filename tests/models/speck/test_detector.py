"""Speck's options build, learn, and leave what others learned in place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from smalldet.models.checkpoints.native import load_detector, save_detector, transfer_from
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.speck.detector import Speck
from smalldet.models.speck.options import SuppressionOptions
from smalldet.targets import Target

CLASSES = ("car", "ship", "plane")
SMALL = SpeckConfig(backbone="test_efficientnet", width=16)


def scene() -> tuple[torch.Tensor, list[Target]]:
    """Two pictures of 64 px, one without objects."""
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[10.0, 10, 14, 14], [30, 30, 50, 44], [31, 5, 38, 12]])
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 3)
    return pictures, [Target.of(boxes, torch.tensor([0, 1, 0]), 3), nothing]


def built(**options: object) -> Speck:
    torch.manual_seed(0)
    return SpeckConfig.model_validate({**SMALL.model_dump(), **options}).build(CLASSES, 64)


@pytest.mark.parametrize("class_loss", ["focal", "equalized_focal"])
def test_every_class_loss_teaches_to_see_the_objects(class_loss: str) -> None:
    detector = built(class_loss=class_loss).train()
    _follow(detector, 30)
    pictures, _ = scene()
    logits, _ = detector.network(pictures)
    locations = detector.locations((pictures.shape[-2], pictures.shape[-1]), logits.device)
    x, y = locations.centres[logits[0, :, 1].argmax()].tolist()
    assert 30 <= x <= 50
    assert 30 <= y <= 44
    assert logits[0, :, 1].max() > logits[1].max() + 1, "the second picture holds nothing"


def test_locations_that_see_one_object_vote_on_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those below the confidence that was asked for, or boxes would depend on it."""
    detector = built().eval()
    boxes = torch.tensor([[[10.0, 10, 20, 20], [11, 10, 21, 20], [40, 40, 50, 50]]])
    logits = torch.tensor([0.6, 0.3, 0.2]).logit()[None, :, None].repeat(1, 1, 3)
    logits[..., 1:] = -9
    monkeypatch.setattr(detector, "network", lambda _: (logits, boxes))
    monkeypatch.setattr(detector.form, "decode", lambda codes, *_: codes)
    for conf in (0.1, 0.5):
        (found,) = detector.predict(scene()[0][:1], conf=conf)
        assert torch.allclose(found.boxes[0], torch.tensor([31 / 3, 10, 61 / 3, 20]))
        assert len(found) == (2 if conf < 0.2 else 1)
    detector.suppression = SuppressionOptions(vote_iou=None)
    (found,) = detector.predict(scene()[0][:1], conf=0.5)
    assert torch.equal(found.boxes, boxes[0, :1])


@pytest.mark.parametrize("box_loss", ["ciou", "giou", "diou", "nwd"])
def test_every_box_loss_falls_when_it_is_followed(box_loss: str) -> None:
    values = _follow(built(box_loss=box_loss).train(), 10)
    assert values[-1] < 0.9 * values[0]


def _follow(detector: Speck, num_steps: int) -> list[float]:
    """Box losses of the steps."""
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    values = []
    for _ in range(num_steps):
        terms = detector.loss(*scene())
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        values.append(float(terms["box"].detach()))
    return values


@pytest.mark.parametrize("places", [("backbone",), ("neck",), ("backbone", "neck")])
def test_attention_hardly_changes_a_trained_model(places: tuple[str, ...], tmp_path: Path) -> None:
    """It starts near identity, so that a checkpoint without it can be gone on from."""
    plain = built().eval()
    save_detector(tmp_path / "plain.safetensors", plain, SMALL)
    attended = built(attention="se", attention_at=places).eval()
    fresh = transfer_from(load_detector(tmp_path / "plain.safetensors"), attended, "m")
    assert fresh
    assert all("attention" in key for key in fresh)
    pictures, _ = scene()
    (wanted, codes), (logits, moved) = plain.network(pictures), attended.network(pictures)
    torch.testing.assert_close(logits, wanted, atol=0.05, rtol=0)
    size = (pictures.shape[-2], pictures.shape[-1])
    boxes, moved_boxes = plain.all_boxes(codes, size)[0], plain.all_boxes(moved, size)[0]
    torch.testing.assert_close(moved_boxes, boxes, atol=1.0, rtol=0)


def test_what_equalized_focal_loss_has_seen_is_kept_with_the_weights(tmp_path: Path) -> None:
    """A resumed run goes on as an unbroken one would; classes meet by name in fine-tuning."""
    config = SMALL.model_copy(update={"class_loss": "equalized_focal"})
    detector = config.build(CLASSES, 64).train()
    torch.stack(list(detector.loss(*scene()).values())).sum().backward()
    seen = detector.equalized_focal.pushed_down.clone()
    assert (seen > 0).all()
    save_detector(tmp_path / "model.safetensors", detector, config)
    loaded = load_detector(tmp_path / "model.safetensors")
    assert isinstance(loaded, Speck)
    torch.testing.assert_close(loaded.equalized_focal.pushed_down, seen)
    other = config.build(("plane", "tree"), 64)
    transfer_from(load_detector(tmp_path / "model.safetensors"), other, "m")
    assert float(other.equalized_focal.pushed_down[0]) == pytest.approx(float(seen[2]))


def test_frozen_norms_stay_through_training() -> None:
    detector = built(freeze_norms=True).train()
    before = {k: v.clone() for k, v in detector.backbone.named_buffers()}
    torch.stack(list(detector.loss(*scene()).values())).sum().backward()
    assert all(torch.equal(before[k], v) for k, v in detector.backbone.named_buffers())


def test_alexnet_can_be_a_backbone() -> None:
    detector = built(backbone="alexnet").train()
    terms = detector.loss(*scene())
    assert all(torch.isfinite(term) for term in terms.values())
