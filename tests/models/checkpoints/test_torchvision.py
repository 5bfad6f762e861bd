"""torchvision's own checkpoints load as they are, give the same numbers, and are written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection

from smalldet.models.checkpoints import torchvision
from smalldet.models.checkpoints.imported import Said
from smalldet.models.families.retinanet import RetinaNetConfig

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


def lively(family: str, network: str) -> Any:
    """torchvision's network with weights under which it finds things, in eval mode."""
    torch.manual_seed(0)
    retina = family == "retinanet"
    options = {} if retina else {"rpn_score_thresh": 0.0}
    net = getattr(detection, network)(
        weights=None,
        weights_backbone=None,
        num_classes=len(CLASSES) + (not retina),
        min_size=SIDE,
        max_size=SIDE,
        **options,
    )
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    for name, parameter in net.named_parameters():
        if "box_predictor" in name and network.endswith("_v2") and name.endswith("weight"):
            nn.init.normal_(parameter, std=0.001)  # its random head gives large features
        elif "cls_score.weight" in name or "cls_logits.weight" in name:
            nn.init.normal_(parameter, std=0.03)
        elif "classification_head.cls_logits.bias" in name:
            nn.init.zeros_(parameter)
    return net.eval()


def test_a_file_of_torchvision_is_known_by_its_names(tmp_path: Path) -> None:
    """Class names and classes of background are the only things that have to be said."""
    net = lively("faster_rcnn", MOBILENET)
    torch.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "net.pth")
    imported = torchvision.load(tmp_path / "net.pth", Said(class_names=CLASSES))
    assert imported.config.family == "faster_rcnn" and imported.config.network == MOBILENET
    assert imported.detector.class_names == CLASSES and not imported.detector.training
    torchvision.save(tmp_path / "back.pth", imported.detector, imported.config)
    back = torch.load(tmp_path / "back.pth", weights_only=True)
    wanted = net.state_dict()
    assert back.keys() == wanted.keys()
    assert all(torch.equal(back[key], wanted[key]) for key in wanted)

    with pytest.raises(ValueError, match="4 classes, and 1 names"):
        torchvision.load(tmp_path / "net.pth", Said(class_names=("car",)))
    with pytest.raises(ValueError, match="say their names"):
        torchvision.load(tmp_path / "net.pth", Said())


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth: no detector of torchvision"):
        torchvision.load(tmp_path / "other.pth", Said())


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
    names = torchvision._retinanet_names(state, None, Path("x.pth"))
    assert len(names) == 80 and names[0] == "person" and names[-1] == "toothbrush"
    kept = state[torchvision.RETINANET_CLASSES].view(num_anchors, 80)
    assert kept[3, 0] == 1 and kept[8, -1] == 90


@pytest.mark.parity
@pytest.mark.parametrize(("family", "network"), NETWORKS)
def test_numbers_are_torchvisions(family: str, network: str, tmp_path: Path) -> None:
    """Boxes, labels and scores of all candidates, to the last bit.

    Without the last suppression: where scores are equal it depends on the order of the boxes, which
    is torchvision's accident and a function of the set in ours.
    """
    net = lively(family, network)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    imported = torchvision.load(tmp_path / "net.pth", Said(class_names=CLASSES))
    config = imported.config
    if family != "retinanet":
        config = config.model_copy(update={"num_proposals": 1000})
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
    with torch.no_grad():
        wanted = net(list(pictures))
        found = ours.predict(pictures, 0.05, many)
    for theirs, mine in zip(wanted, found, strict=True):
        assert len(mine) > 20
        labels = theirs["labels"] - int(family != "retinanet")
        rows = torch.cat([theirs["scores"][:, None], labels[:, None], theirs["boxes"]], 1)
        sound = (theirs["boxes"][:, 2:] - theirs["boxes"][:, :2] >= 1e-2).all(
            1
        )  # it keeps empty boxes
        rows = rows[sound]
        own = torch.cat([mine.scores[:, None], mine.labels[:, None], mine.boxes], 1)
        assert sorted(rows.tolist()) == sorted(own.tolist())
