"""Detectron2's checkpoints: names, order of classes and anchors, numbers against the package."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smalldet.models.checkpoints import detectron2
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.rcnn.anchors import AnchorConfig

CLASSES = ("car", "ship", "plane", "bus")
SIDE = 128
RETINANET = "RetinaNet"


def test_an_anchor_order_of_size_by_size_becomes_ratio_by_ratio() -> None:
    """Else a RetinaNet would give every box to a wrong anchor, and still look sound."""
    sizes, ratios = (8.0, 10.0, 12.0), (0.5, 1.0)
    outputs = torch.tensor([s * 100 + r for s in sizes for r in ratios])  # Detectron2's order
    state = {}
    for name in ("classification_head.cls_logits", "regression_head.bbox_reg"):
        state[f"head.{name}.bias"] = outputs.clone()
        state[f"head.{name}.weight"] = outputs[:, None].clone()
    detectron2._by_ratio(state, len(sizes), len(ratios))
    cells = AnchorConfig(aspect_ratios=ratios).build([sizes], [8]).cells[0]
    width, height = cells[:, 2] * 2, cells[:, 3] * 2
    wanted = (width * height).sqrt() * 100 + height / width
    torch.testing.assert_close(state["head.classification_head.cls_logits.bias"], wanted)
    torch.testing.assert_close(state["head.regression_head.bbox_reg.weight"][:, 0], wanted)


def test_background_moves_to_the_front() -> None:
    name = "roi_heads.box_predictor."
    state = {
        f"{name}cls_score.weight": torch.tensor([[1.0], [2], [0]]),
        f"{name}cls_score.bias": torch.tensor([1.0, 2, 0]),
        f"{name}bbox_pred.weight": torch.ones(8, 1),
        f"{name}bbox_pred.bias": torch.tensor([1.0] * 4 + [2.0] * 4),
    }
    detectron2._background_first(state)
    assert state[f"{name}cls_score.bias"].tolist() == [0, 1, 2]
    assert state[f"{name}bbox_pred.bias"].tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_anchors_are_read_from_the_file() -> None:
    sizes, ratios = [[10.0, 12.5], [20.0, 25.0]], [0.5, 1.0, 2.0]
    cells = {
        f"anchors.{i}": torch.tensor(
            [
                [-s / r**0.5 / 2, -s * r**0.5 / 2, s / r**0.5 / 2, s * r**0.5 / 2]
                for s in level
                for r in ratios
            ]
        )
        for i, level in enumerate(sizes)
    }
    assert detectron2._anchors(cells, "anchors.", True) == (sizes, ratios)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"weight": np.zeros(3)}}, "no detector of Detectron2"),
        ({"weights": 1}, "it has no `model`"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=rf"model\.pkl: .*{message}"):
        detectron2.load(path, ImportHints())


def built_by_detectron2(architecture: str, masks: bool) -> Any:
    """The network of `COCO-*/{faster_rcnn,mask_rcnn,retinanet}_R_50_FPN`, random, in eval mode."""
    missing = "no index of packages has Detectron2: install its sources into .venv-parity"
    config = pytest.importorskip("detectron2.config", reason=missing)
    modeling = pytest.importorskip("detectron2.modeling", reason=missing)
    cfg = config.get_cfg()
    model = cfg.MODEL
    model.DEVICE, model.WEIGHTS, model.META_ARCHITECTURE = "cpu", "", architecture
    cfg.TEST.DETECTIONS_PER_IMAGE = 100_000
    # Without the last suppression: Detectron2's RetinaNet clips boxes after it, ours before it
    model.ROI_HEADS.NMS_THRESH_TEST = model.RETINANET.NMS_THRESH_TEST = 1.0
    if architecture == RETINANET:
        model.BACKBONE.NAME = "build_retinanet_resnet_fpn_backbone"
        model.RESNETS.OUT_FEATURES = ["res3", "res4", "res5"]
        model.FPN.IN_FEATURES = ["res3", "res4", "res5"]
        model.ANCHOR_GENERATOR.SIZES = [
            [x, x * 2 ** (1 / 3), x * 2 ** (2 / 3)] for x in (32, 64, 128, 256, 512)
        ]
        model.RETINANET.NUM_CLASSES = len(CLASSES)
        model.RETINANET.TOPK_CANDIDATES_TEST = 100_000
    else:
        model.BACKBONE.NAME = "build_resnet_fpn_backbone"
        model.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
        model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
        model.ANCHOR_GENERATOR.SIZES = [[32], [64], [128], [256], [512]]
        model.RPN.IN_FEATURES = ["p2", "p3", "p4", "p5", "p6"]
        model.RPN.PRE_NMS_TOPK_TEST = model.RPN.POST_NMS_TOPK_TEST = 1000
        model.ROI_HEADS.NAME = "StandardROIHeads"
        model.ROI_HEADS.IN_FEATURES = ["p2", "p3", "p4", "p5"]
        model.ROI_HEADS.NUM_CLASSES = len(CLASSES)
        model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
        model.ROI_BOX_HEAD.NUM_FC, model.ROI_BOX_HEAD.POOLER_RESOLUTION = 2, 7
        model.MASK_ON = masks
        model.ROI_MASK_HEAD.NAME = "MaskRCNNConvUpsampleHead"
        model.ROI_MASK_HEAD.NUM_CONV, model.ROI_MASK_HEAD.POOLER_RESOLUTION = 4, 14
    torch.manual_seed(0)
    net = modeling.build_model(cfg)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if "norm.running_mean" in name:
            nn.init.normal_(tensor, std=0.1)
        elif "norm.running_var" in name or "norm.weight" in name:
            nn.init.uniform_(tensor, 0.3, 0.7)
        elif "cls_score.weight" in name:
            nn.init.normal_(tensor, std=0.03)
        elif name == "head.cls_score.bias":
            nn.init.zeros_(tensor)
    return net.eval()


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")  # the peer's own
@pytest.mark.parametrize(
    ("architecture", "masks"),
    [("GeneralizedRCNN", False), ("GeneralizedRCNN", True), (RETINANET, False)],
)
def test_numbers_are_detectron2s(
    architecture: str, masks: bool, tmp_path: Path, record_parity: Callable[..., None]
) -> None:
    """Scores to 1e-4 and boxes to 0.01 px, from the file that Detectron2 would publish."""
    net = built_by_detectron2(architecture, masks)
    path = tmp_path / "model_final.pkl"
    arrays = {key: value.numpy() for key, value in net.state_dict().items()}
    path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}))
    imported = detectron2.load(path, ImportHints(class_names=CLASSES))
    detector: Any = imported.detector
    detector.nms_iou = 1.0
    if architecture != RETINANET:
        detector.rpn.num_proposals = 1000
    generator = torch.Generator().manual_seed(4)
    picture = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        (theirs,) = net([{"image": picture.flip(0).float()}])
        (ours,) = detector.predict(picture[None], 0.05, 100_000)
    wanted = theirs["instances"]
    assert len(wanted) > 20
    record = partial(record_parity, imported.config.family, "Detectron2")
    _same(wanted.scores, wanted.pred_classes, wanted.pred_boxes.tensor, ours, record)


def _same(
    scores: Tensor,
    labels: Tensor,
    boxes: Tensor,
    ours: Any,
    record: Callable[[str, float], None],
) -> None:
    """As sets: equal scores may change places."""
    assert len(ours) == len(scores)
    for score, label, box in zip(scores, labels, boxes, strict=True):
        apart = (ours.boxes - box).abs().amax(1)
        near = (ours.labels == label) & ((ours.scores - score).abs() < 1e-4)
        assert (near & (apart < 0.01)).any()
        best = apart.masked_fill(~near, float("inf")).argmin()
        record("boxes, px", float(apart[best]))
        record("scores", float((ours.scores[best] - score).abs()))
