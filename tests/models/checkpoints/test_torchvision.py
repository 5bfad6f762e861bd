"""torchvision's own checkpoints load as they are, give the same numbers, and are written back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import detection

from smalldet.models.checkpoints import torchvision
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.rcnn.retinanet import RetinaNetConfig

CLASSES = ("car", "ship", "plane", "bus")
MOBILENET = "fasterrcnn_mobilenet_v3_large_fpn"
NETWORKS = [
    ("faster_rcnn", "fasterrcnn_resnet50_fpn"),
    ("faster_rcnn", "fasterrcnn_resnet50_fpn_v2"),
    ("faster_rcnn", MOBILENET),
    ("mask_rcnn", "maskrcnn_resnet50_fpn"),
    ("mask_rcnn", "maskrcnn_resnet50_fpn_v2"),
    ("retinanet", "retinanet_resnet50_fpn"),
    ("retinanet", "retinanet_resnet50_fpn_v2"),
]
SIDE = 128
NUM_REGIONS = 60


def lively(family: str, network: str) -> Any:
    """torchvision's network with weights under which it finds things, in eval mode.

    Norms hold the statistics of random pictures: else features grow until one class takes all.
    """
    torch.manual_seed(0)
    retina = family == "retinanet"
    options = {}
    if not retina:
        options["rpn_score_thresh"] = 0.0
        options["rpn_pre_nms_top_n_test"] = options["rpn_post_nms_top_n_test"] = NUM_REGIONS
    net = getattr(detection, network)(
        weights=None,
        weights_backbone=None,
        num_classes=len(CLASSES) + (not retina),
        min_size=SIDE,
        max_size=SIDE,
        **options,
    )
    for module in net.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.25, 0.75)
            module.momentum = 1.0
    with torch.no_grad():
        batch, _ = net.transform(list(torch.rand(2, 3, SIDE, SIDE)))
        net.backbone.train()(batch.tensors)
    for name, parameter in net.named_parameters():
        if "cls_score.weight" in name or "cls_logits.weight" in name:
            nn.init.normal_(parameter, std=0.03)
        elif "rpn.head.bbox_pred.weight" in name:
            nn.init.normal_(parameter, std=0.1)  # boxes move
        elif "classification_head.cls_logits.bias" in name:
            nn.init.zeros_(parameter)
    return net.eval()


def test_a_file_of_torchvision_is_known_by_its_names(tmp_path: Path) -> None:
    """Class names and classes of background are the only things that have to be said."""
    net = lively("faster_rcnn", MOBILENET)
    torch.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "net.pth")
    imported = torchvision.load(tmp_path / "net.pth", ImportHints(class_names=CLASSES))
    assert imported.config.family == "faster_rcnn" and imported.config.network == MOBILENET
    assert imported.detector.class_names == CLASSES and not imported.detector.training
    torchvision.save(tmp_path / "back.pth", imported.detector, imported.config)
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    wanted = net.state_dict()
    assert back.keys() == wanted.keys()
    assert all(torch.equal(back[key], wanted[key]) for key in wanted)

    with pytest.raises(ValueError, match="4 classes, but 1 class names"):
        torchvision.load(tmp_path / "net.pth", ImportHints(class_names=("car",)))
    with pytest.raises(ValueError, match="no names for them"):
        torchvision.load(tmp_path / "net.pth", ImportHints())


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: no detector of torchvision"):
        torchvision.load(tmp_path / "other.pth", ImportHints())


def test_a_network_that_torchvision_does_not_have_is_not_written(tmp_path: Path) -> None:
    config = RetinaNetConfig(backbone="mobilenetv3_small_050", strides=(4, 8), width=32)
    with pytest.raises(ValueError, match="knows its own networks only"):
        torchvision.save(tmp_path / "x.pth", config.build(CLASSES, SIDE), config)


def test_outputs_that_no_class_has_are_taken_out_of_a_retinanet() -> None:
    """torchvision's RetinaNet counts background and COCO's unused numbers; ours has classes."""
    num_anchors = 9
    outputs = torch.arange(91.0).repeat(num_anchors)
    state = {
        torchvision.RETINANET_BOXES: torch.zeros(4 * num_anchors),
        torchvision.RETINANET_CLASSES: outputs,
        torchvision.RETINANET_CLASSES.replace("bias", "weight"): outputs[:, None],
    }
    names = torchvision._retinanet_names(state, ImportHints(), Path("x.pth"))
    assert len(names) == 80 and names[0] == "person" and names[-1] == "toothbrush"
    kept = state[torchvision.RETINANET_CLASSES].view(num_anchors, 80)
    assert kept[3, 0] == 1 and kept[8, -1] == 90


def raw_error(net: Any, ours: Any, family: str, pictures: Tensor) -> float:
    """Largest difference of any tensor that the modules give for the same pictures and regions."""
    batch, _ = net.transform(list(pictures))
    features = net.backbone(batch.tensors)
    own = ours.backbone(pictures)
    pairs = list(zip(features.values(), own, strict=True))
    if family == "retinanet":
        theirs = net.head(list(features.values()))
        logits, codes = ours.network(pictures)
        pairs += [(theirs["cls_logits"], logits), (theirs["bbox_regression"], codes)]
    else:
        regions, _ = net.rpn(batch, features)
        assert all(len(boxes) > 20 for boxes in regions)
        first = ours.rpn.beside_anchors(own, *ours.rpn(own))
        pairs += zip(regions, ours.rpn.propose(first, SIDE, SIDE), strict=True)
        heads, sizes = net.roi_heads, batch.image_sizes
        logits, codes = ours.roi_heads(own, regions)
        theirs = heads.box_predictor(heads.box_head(heads.box_roi_pool(features, regions, sizes)))
        pairs += [(theirs[0], logits), (theirs[1], codes.flatten(1))]
        if family == "mask_rcnn":
            shapes = heads.mask_head(heads.mask_roi_pool(features, regions, sizes))
            rows = torch.arange(len(logits))
            labels = rows % len(CLASSES)
            masks = heads.mask_predictor(shapes)[rows, labels + 1]
            pairs.append((masks, ours.mask_logits(own, regions, labels)))
    return max(float((mine - theirs).abs().max()) for theirs, mine in pairs)


def in_order(boxes: Tensor, labels: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and boxes (N, 5) in their own order, whatever that of the scores, and the scores."""
    rows = torch.cat([labels[:, None], boxes], 1)
    order = torch.from_numpy(np.lexsort((scores.numpy(), *rows.T.numpy())))
    return rows[order], scores[order]


@pytest.mark.parity
@pytest.mark.parametrize(("family", "network"), NETWORKS)
def test_numbers_are_torchvisions(
    family: str, network: str, tmp_path: Path, record_parity: Callable[..., None]
) -> None:
    """What the modules give, and boxes and labels of all candidates, to the last bit.

    Scores to the last bit but one: torch's sigmoid of a value depends on where in a tensor it
    stands, and torchvision takes each level for itself. The last suppression is left out: where
    scores are equal it depends on the order of the boxes, which is torchvision's accident and a
    function of the set in ours.
    """
    net = lively(family, network)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    imported = torchvision.load(tmp_path / "net.pth", ImportHints(class_names=CLASSES))
    config = imported.config
    if family != "retinanet":
        config = config.model_copy(update={"num_proposals": NUM_REGIONS})
    ours = config.build(CLASSES, SIDE).eval()
    ours.load_state_dict(imported.detector.state_dict())
    many = 100_000
    if family == "retinanet":
        net.score_thresh, net.detections_per_img, net.topk_candidates = 0.05, many, many
        net.nms_thresh = 1.0
    else:
        net.roi_heads.score_thresh, net.roi_heads.detections_per_img = 0.05, many
        net.roi_heads.nms_thresh = 1.0
    ours.nms_iou = 1.0
    pictures = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    record = partial(record_parity, family, f"torchvision {version('torchvision')}")
    with torch.no_grad():
        wanted = net(list(pictures))
        found = ours.predict(pictures, 0.05, many)
        error = raw_error(net, ours, family, pictures)
    record("raw outputs", error)
    assert error == 0
    for theirs, mine in zip(wanted, found, strict=True):
        assert len(mine) > 20
        # it keeps empty boxes
        sound = (theirs["boxes"][:, 2:] - theirs["boxes"][:, :2] >= 1e-2).all(1)
        labels = theirs["labels"] - int(family != "retinanet")
        rows, scores = in_order(theirs["boxes"][sound], labels[sound], theirs["scores"][sound])
        own_rows, own_scores = in_order(mine.boxes, mine.labels, mine.scores)
        assert len(own_rows) == len(rows)
        record("boxes, px", float((own_rows - rows).abs().max()))
        record("scores", float((own_scores - scores).abs().max()))
        assert torch.equal(own_rows, rows)
        torch.testing.assert_close(own_scores, scores, rtol=2e-7, atol=0)
