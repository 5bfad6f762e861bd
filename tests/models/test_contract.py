"""What every family promises, checked on its smallest variant."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smalldet.detections import Detections
from smalldet.geometry.oriented import canonical, enclosing_boxes
from smalldet.models.checkpoints.native import load_detector, save_detector, transfer_from
from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES, ModelConfig
from smalldet.models.yolo import YoloDetector, known_text
from smalldet.targets import Target

TINY_PYRAMID = {"backbone": "mobilenetv3_small_050", "strides": (4, 8, 16), "width": 32}


def thin(network: str, width: float = 0.125) -> str:
    """The text of a known network with few filters."""
    return re.sub(r"^width:.*", f"width: {width}", known_text(network), flags=re.MULTILINE)


TINY_HGNET = {
    "model_type": "hgnet_v2",
    "stem_channels": [3, 8, 8],
    "stage_in_channels": [8, 16, 32, 64],
    "stage_mid_channels": [8, 8, 16, 16],
    "stage_out_channels": [16, 32, 64, 128],
    "stage_num_blocks": [1, 1, 1, 1],
    "stage_downsample": [False, True, True, True],
    "stage_light_block": [False, False, True, True],
    "stage_kernel_size": [3, 3, 5, 5],
    "stage_numb_of_layers": [2, 2, 2, 2],
    "embedding_size": 8,
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [16, 32, 64, 128],
    "out_features": ["stage2", "stage3", "stage4"],
}
TINY_RESNET = {
    "model_type": "rt_detr_resnet",
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64, 128],
    "depths": [1, 1, 1, 1],
    "layer_type": "basic",
    "out_features": ["stage2", "stage3", "stage4"],
}
TINY_DETR = {
    "encoder_in_channels": [32, 64, 128],
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 4,
    "d_model": 32,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 4,
    "decoder_layers": 2,
    "freeze_backbone_batch_norms": False,
}
TINY_RF_DETR = {
    "backbone_config": {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": 8,
        "num_windows": 2,
        "image_size": 64,
        "out_features": ["stage1", "stage2"],
        "use_mask_token": False,
    },
    "d_model": 32,
    "decoder_ffn_dim": 32,
    "decoder_layers": 2,
    "decoder_self_attention_heads": 4,
    "decoder_cross_attention_heads": 4,
    "dropout": 0.0,
    "group_detr": 2,
}

SMALLEST: dict[str, dict[str, Any]] = {
    "d_fine": {"num_queries": 60, "layers": {**TINY_DETR, "backbone_config": TINY_HGNET}},
    "rf_detr": {"num_queries": 60, "layers": TINY_RF_DETR},
    "rt_detr_v2": {"num_queries": 60, "layers": {**TINY_DETR, "backbone_config": TINY_RESNET}},
    "faster_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "mask_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "oriented_rcnn": {**TINY_PYRAMID, "hidden_width": 32, "num_proposals": 300},
    "retinanet": TINY_PYRAMID,
    "rotated_retinanet": TINY_PYRAMID,
    "speck": {"size": "n", "backbone": "mobilenetv3_small_050", "width": 32},
    "speck packed": {
        "size": "t",
        "backbone": "tf_efficientnet_lite0",
        "backbone_hidden": 0.25,
        "width": 16,
        "num_context": 1,
    },
    "speck oriented": {
        "size": "n",
        "backbone": "mobilenetv3_small_050",
        "width": 32,
        "oriented": True,
    },
    "speck packed oriented": {
        "size": "t",
        "backbone": "tf_efficientnet_lite0",
        "backbone_hidden": 0.25,
        "width": 16,
        "num_context": 1,
        "oriented": True,
    },
    **{
        name: {"network": name, "text": thin(name)}
        for name in ("yolov3-tiny", "yolov4-tiny", "yolov5n")
    },
    "yolov5n with attention": {
        "network": "yolov5n",
        "text": thin("yolov5n"),
        "attention": "coord",
        "attention_at": ("backbone", "neck"),
    },
}
WIDER = {
    "yolo": {"text": thin("yolov5n", 0.25)},
    **{
        family: {"layers": {**SMALLEST[family]["layers"], "encoder_ffn_dim": 64}}
        for family in ("d_fine", "rt_detr_v2")
    },
    "rf_detr": {"layers": {**TINY_RF_DETR, "decoder_ffn_dim": 64}},
}
CLASSES = ("car", "ship", "plane")
SIDE = 128


@pytest.fixture(params=sorted(SMALLEST))
def config(request: pytest.FixtureRequest) -> ModelConfig:
    family = "yolo" if "text" in SMALLEST[request.param] else request.param.split()[0]
    return FAMILIES[family](**SMALLEST[request.param])


@pytest.fixture
def detector(config: ModelConfig) -> Detector:
    torch.manual_seed(0)
    return config.build(CLASSES, SIDE)


def pictures(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


def objects_of_all_sizes() -> Target:
    """From 3 px to most of the picture, so that every level has something to learn."""
    sides = torch.tensor([3.0, 6, 12, 24, 48, 96])
    centres = torch.tensor([[10.0, 10], [40, 12], [90, 20], [30, 60], [80, 80], [64, 64]])
    boxes = torch.cat([centres - sides[:, None] / 2, centres + sides[:, None] / 2], 1)
    masks = torch.eye(8, dtype=torch.int8).expand(6, -1, -1)
    oblong = torch.stack((sides * 0.9, sides * 0.5, torch.linspace(-1.5, 1.5, 6)), 1)
    rboxes = torch.cat((centres, oblong), 1)
    target = Target.of(boxes.clamp(0, SIDE), torch.arange(6) % 3, len(CLASSES))
    return replace(target, masks=masks, rboxes=rboxes)


def test_loss_is_finite_and_reaches_every_parameter(detector: Detector) -> None:
    detector.train()
    for weights in detector.parameters():
        if weights.ndim > 1 and not weights.any():  # behind zeros nothing learns in the first step
            nn.init.normal_(weights, std=0.01)
    torch.stack(
        list(detector.loss(pictures(2), [objects_of_all_sizes()] * 2).values())
    ).sum().backward()
    learned = {k: v for k, v in detector.named_parameters() if v.requires_grad}
    fixed = set(dict(detector.named_parameters())) - set(learned)
    assert fixed <= {"transformer.decoder.up", "transformer.decoder.reg_scale"}
    for name, parameter in learned.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, f"{name} learns nothing"


def test_predictions_and_losses_are_made_of_the_networks_outputs(detector: Detector) -> None:
    """So whatever computes the network, what comes out is the same."""
    images, targets = pictures(2), [objects_of_all_sizes()] * 2
    detector.eval()
    with torch.no_grad():
        outputs = detector.network(images)
        terms, same_terms = (
            detector.loss(images, targets),
            detector.losses(outputs, images, targets),
        )
    assert isinstance(outputs, tuple) and all(isinstance(part, Tensor) for part in outputs)
    assert terms == same_terms
    decoded = detector.decode(outputs, (SIDE, SIDE), conf=0.0, max_detections=50)
    for part, same in zip(detector.predict(images, 0.0, 50), decoded, strict=True):
        assert torch.equal(part.boxes, same.boxes) and torch.equal(part.scores, same.scores)
    assert all(hasattr(detector, name) for name in detector.torch_parts)


class Network(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.detector.network(images)


def test_the_network_can_leave_torch(detector: Detector) -> None:
    """torch.export takes it whole: it has no step that depends on what a picture shows."""
    network = Network(detector.eval())
    with torch.no_grad():
        exported = torch.export.export(network, (pictures(1),))
        wanted, outputs = network(pictures(1)), exported.module()(pictures(1))
    for one, other in zip(wanted, outputs, strict=True):
        torch.testing.assert_close(one, other)


def test_loss_of_pictures_without_objects_is_finite(detector: Detector) -> None:
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), len(CLASSES))
    terms = detector.train().loss(pictures(2), [nothing, nothing])
    assert all(torch.isfinite(term) for term in terms.values())


def test_every_object_is_learned_somewhere_unless_too_many_stand_in_one_place(
    detector: Detector,
) -> None:
    """What `smalldet plan` counts: the real assigner's positives, object by object."""
    outputs = detector.eval().network(pictures(2))
    nothing = Target.of(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), len(CLASSES))
    counts = detector.num_positives(outputs, (SIDE, SIDE), [nothing, objects_of_all_sizes()])
    assert [len(count) for count in counts] == [0, 6]
    assert (counts[1] > 0).all()
    pile = torch.tensor([[60.0, 60, 64, 64]]).expand(2000, -1)
    heaped = Target.of(pile, torch.zeros(2000, dtype=torch.long), len(CLASSES))
    heaped = replace(heaped, rboxes=torch.tensor([[62.0, 62, 4, 4, 0]]).expand(2000, -1))
    counts = detector.num_positives(outputs, (SIDE, SIDE), [nothing, heaped])
    assert 0 < (counts[1] > 0).sum() <= 2000
    if not isinstance(detector, YoloDetector):  # there, one place can learn several objects
        assert (counts[1] == 0).any()


def test_nothing_counts_against_a_class_in_a_region_that_mutes_it(detector: Detector) -> None:
    """A picture muted for all classes has no class loss, and gets none back through the weights."""
    muted = Target(
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.long),
        torch.tensor([[0.0, 0, SIDE, SIDE]]),
        torch.ones(1, len(CLASSES), dtype=torch.bool),
    )
    terms = detector.eval().loss(pictures(1), [muted])
    assert sum(term.item() for term in terms.values()) == 0
    nothing = Target.of(muted.boxes, muted.labels, len(CLASSES))
    assert sum(term.item() for term in detector.loss(pictures(1), [nothing]).values()) > 0


def test_a_batch_is_predicted_like_single_pictures(detector: Detector) -> None:
    detector.eval()
    together = detector.predict(pictures(2), conf=0.0, max_detections=50)
    for i, found in enumerate(together):
        (alone,) = detector.predict(pictures(2)[i : i + 1], conf=0.0, max_detections=50)
        torch.testing.assert_close(alone.scores, found.scores, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.boxes, found.boxes, rtol=1e-3, atol=1e-2)


def test_prediction_is_detections_whatever_the_mode(detector: Detector) -> None:
    for training in (True, False):
        found = detector.train(training).predict(pictures(1), conf=0.0, max_detections=7)
        assert isinstance(found[0], Detections)
        assert found[0].class_names == CLASSES
        assert 0 < len(found[0]) <= 7
        assert not found[0].boxes.requires_grad
        assert (found[0].scores.diff() <= 0).all()


def test_oriented_boxes_are_found_where_they_are_learned(
    detector: Detector, config: ModelConfig
) -> None:
    """In the one form that they have, and with the boxes round them."""
    (found,) = detector.eval().predict(pictures(1), conf=0.0, max_detections=50)
    assert (found.rboxes is not None) == config.needs_rboxes
    if found.rboxes is not None:
        torch.testing.assert_close(found.rboxes, canonical(found.rboxes), rtol=0, atol=0)
        torch.testing.assert_close(found.boxes, enclosing_boxes(found.rboxes))
        upright = replace(objects_of_all_sizes(), rboxes=None)
        with pytest.raises(ValueError, match="oriented"):
            detector.loss(pictures(1), [upright])


def test_asking_for_more_confidence_leaves_out_and_changes_nothing(detector: Detector) -> None:
    detector.eval()
    (all_found,) = detector.predict(pictures(1), conf=0.0)
    conf = all_found.scores.median().item()
    (found,) = detector.predict(pictures(1), conf=conf)
    confident = all_found[all_found.scores > conf]
    assert 0 < len(found) == len(confident)
    torch.testing.assert_close(found.boxes, confident.boxes, rtol=1e-4, atol=1e-3)


def test_bytes_and_floats_are_the_same_picture(detector: Detector) -> None:
    detector.eval()
    as_bytes = detector.predict(pictures(1), conf=0.0, max_detections=5)[0]
    as_floats = detector.predict(pictures(1).float() / 255, conf=0.0, max_detections=5)[0]
    torch.testing.assert_close(as_bytes.boxes, as_floats.boxes)


def test_a_saved_detector_comes_back_the_same(
    detector: Detector, config: ModelConfig, tmp_path
) -> None:
    save_detector(tmp_path / "m.safetensors", detector, config)
    loaded = load_detector(tmp_path / "m.safetensors")
    assert not loaded.training
    assert loaded.class_names == CLASSES
    assert loaded.tile_px == SIDE
    before = detector.eval().predict(pictures(1), conf=0.0, max_detections=20)[0]
    after = loaded.predict(pictures(1), conf=0.0, max_detections=20)[0]
    torch.testing.assert_close(before.boxes, after.boxes)
    torch.testing.assert_close(before.scores, after.scores)


def test_transfer_keeps_the_rows_of_shared_classes(
    detector: Detector, config: ModelConfig, tmp_path
) -> None:
    """Fine-tuning with other classes must not throw away what both know."""
    save_detector(tmp_path / "m.safetensors", detector, config)
    other = config.build(("drone", "Ship"), SIDE)
    fresh = transfer_from(load_detector(tmp_path / "m.safetensors"), other, "m")
    ours, theirs = other.state_dict(), detector.state_dict()
    for key in ours:
        rows, their_rows = other.class_rows(key, 2), detector.class_rows(key, 3)
        if rows is not None and their_rows is not None:
            assert key in fresh
            torch.testing.assert_close(ours[key][rows[1]], theirs[key][their_rows[1]])
        else:
            torch.testing.assert_close(ours[key], theirs[key])
    assert 0 < len(fresh) < 8


def test_a_class_keeps_its_weights_however_it_is_spelt(config: ModelConfig) -> None:
    """`OtherVehicle` of one set is `other vehicle` of another, in a start as everywhere else."""
    torch.manual_seed(0)
    given = config.build(("Person", "OtherVehicle"), SIDE)
    started = config.build(("other vehicle", "bird"), SIDE)
    fresh = transfer_from(given, started, "m")
    for key, value in started.state_dict().items():
        rows, their_rows = started.class_rows(key, 2), given.class_rows(key, 2)
        if rows is not None and their_rows is not None:
            assert key in fresh, "the other class starts fresh"
            assert torch.equal(value[rows[0]], given.state_dict()[key][their_rows[1]])


def test_a_file_that_is_no_checkpoint_is_refused_by_name(detector: Detector, tmp_path) -> None:
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"not weights at all")
    with pytest.raises(ValueError, match=r"garbage\.safetensors"):
        load_detector(garbage)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="not a smalldet checkpoint"):
        load_detector(foreign)
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors"):
        load_detector(tmp_path / "absent.safetensors")


def test_weights_that_do_not_fit_are_refused(
    detector: Detector, config: ModelConfig, tmp_path
) -> None:
    path = tmp_path / "m.safetensors"
    wider = WIDER.get(config.family, {"width": 48})
    save_detector(path, detector, config.model_copy(update=wider))
    assert load_file(path)
    with pytest.raises(ValueError, match="do not fit"):
        load_detector(path)
