"""Checkpoints of Detectron2: Faster R-CNN, Mask R-CNN and RetinaNet over ResNet-50 with a pyramid.

They become torchvision's networks under Detectron2's conventions: pictures in BGR and not divided
by 255, bottlenecks that shrink in their first convolution, anchors that are not rounded, regions
pooled with pixel centres at halves, background as the last class. Source of the names and the
conventions: facebookresearch/detectron2 (Apache-2.0), `modeling/` and `config/defaults.py`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from smalldet.config.load import load_yaml
from smalldet.models.checkpoints.build_checked import build_checked
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.numpy_pickle import NUMPY_NAMES, array_of
from smalldet.models.checkpoints.safe_pickle import read_pickle
from smalldet.models.checkpoints.torch_file import read_state
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.rcnn.mask_rcnn import MaskRcnnConfig
from smalldet.models.rcnn.retinanet import RetinaNetConfig

TRAINED_PX = 800
NUM_COCO_CLASSES = 80
RESNET50_BLOCKS = (3, 4, 6, 3)
# of the ResNet-50 by MSRA that nearly all of the zoo starts from
PIXEL_MEAN_BGR = (103.53, 116.28, 123.675)
PIXEL_STD_BGR = (1.0, 1.0, 1.0)

RCNN_CLASSES = "roi_heads.box_predictor.cls_score"
RETINANET_CLASSES = "head.cls_score"
STEM = "backbone.bottom_up.stem.conv1.weight"

NAMES = (
    (r"backbone\.bottom_up\.stem\.", "backbone.body."),
    (r"backbone\.bottom_up\.res(\d)\.", lambda m: f"backbone.body.layer{int(m[1]) - 1}."),
    (r"\.conv(\d)\.norm\.", r".bn\1."),
    (r"\.shortcut\.norm\.", ".downsample.1."),
    (r"\.shortcut\.", ".downsample.0."),
    (r"backbone\.top_block\.", "backbone.fpn.extra_blocks."),
    (r"proposal_generator\.rpn_head\.conv\.", "rpn.head.conv.0.0."),
    (r"proposal_generator\.rpn_head\.objectness_logits\.", "rpn.head.cls_logits."),
    (r"proposal_generator\.rpn_head\.anchor_deltas\.", "rpn.head.bbox_pred."),
    (r"roi_heads\.box_head\.fc(\d)\.", lambda m: f"roi_heads.box_head.fc{int(m[1]) + 5}."),
    (r"roi_heads\.mask_head\.mask_fcn(\d)\.", lambda m: f"roi_heads.mask_head.{int(m[1]) - 1}.0."),
    (r"roi_heads\.mask_head\.deconv\.", "roi_heads.mask_predictor.conv5_mask."),
    (r"roi_heads\.mask_head\.predictor\.", "roi_heads.mask_predictor.mask_fcn_logits."),
    (r"head\.cls_subnet\.(\d)\.", lambda m: f"head.classification_head.conv.{int(m[1]) // 2}.0."),
    (r"head\.bbox_subnet\.(\d)\.", lambda m: f"head.regression_head.conv.{int(m[1]) // 2}.0."),
    (r"^head\.cls_score\.", "head.classification_head.cls_logits."),
    (r"^head\.bbox_pred\.", "head.regression_head.bbox_reg."),
)


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """The detector of a Detectron2 `.pkl` (its model zoo) or `.pth` (its trainer).

    Classes are COCO's where the file has 80; others have to be given. What a file may leave open,
    pixel mean and where bottlenecks shrink, is told by the run's YAML where `hints.network` names
    it; else the zoo's usual settings hold, and a pixel deviation other than 1 means a ResNet that
    shrinks in its second convolution.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, another network, or names that do not fit it.
    """
    return load_state(path, _read(path), hints)


def load_state(path: Path, state: Mapping[str, Tensor], hints: ImportHints) -> LoadedModel:
    """As `load`, from the tensors that the file holds."""
    if not is_state(state):
        raise ValueError(
            f"{path}: no detector of Detectron2 over a ResNet; its names begin {list(state)[:3]}"
        )
    _check_depth(state, path)
    run = load_yaml(Path(hints.network)) if hints.network else {}
    retina = f"{RETINANET_CLASSES}.weight" in state
    if not retina and f"{RCNN_CLASSES}.weight" not in state:
        raise ValueError(f"{path}: neither R-CNN with a pyramid nor RetinaNet")
    conventions = _conventions(state, run)
    prefix = "" if retina else "proposal_generator."
    num_anchors = _num_anchors(state, retina)
    sizes, ratios = _anchors(state, f"{prefix}anchor_generator.cell_anchors.", retina)
    if len(sizes[0]) * len(ratios) != num_anchors:
        raise ValueError(f"{path}: {num_anchors} anchors a place; their sizes are not in the file")
    anchors = {"sizes": sizes, "aspect_ratios": ratios, "offset": 0.0}
    num_classes = (
        len(state[f"{RETINANET_CLASSES}.bias"]) // num_anchors
        if retina
        else (len(state[f"{RCNN_CLASSES}.bias"]) - 1)
    )
    config = _config(state, retina, conventions, anchors)
    usual = _coco() if num_classes == NUM_COCO_CLASSES else None
    names = hints.names_for(num_classes, path, usual)
    renamed = _renamed(state, retina, run.get("INPUT", {}).get("FORMAT", "BGR"))
    if retina:
        _by_ratio(renamed, len(sizes[0]), len(ratios))
    else:
        _background_first(renamed)
    detector = build_checked(path, config, names, hints.tile_px or TRAINED_PX, renamed)
    return LoadedModel(detector, config)


def is_state(keys: Container[str]) -> bool:
    """Whether these are names of a detector of Detectron2."""
    return STEM in keys


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".pkl":
        return read_state(path)
    content = read_pickle(path, NUMPY_NAMES)
    if not isinstance(content, Mapping) or not isinstance(content.get("model"), Mapping):
        raise ValueError(f"{path}: no checkpoint of Detectron2: it has no `model`")
    return {
        str(name): torch.from_numpy(array_of(value, f"{path}: {name}").copy())
        for name, value in content["model"].items()
    }


def _check_depth(state: Mapping[str, Tensor], path: Path) -> None:
    blocks = tuple(
        len({key.split(".")[3] for key in state if key.startswith(f"backbone.bottom_up.res{i}.")})
        for i in (2, 3, 4, 5)
    )
    if blocks != RESNET50_BLOCKS or "backbone.fpn_lateral3.weight" not in state:
        raise ValueError(
            f"{path}: only ResNet-50 with a feature pyramid is read; this has blocks {blocks}"
        )


def _conventions(state: Mapping[str, Tensor], run: Mapping[str, Any]) -> dict[str, Any]:
    """In what Detectron2 differs from torchvision."""
    model = run.get("MODEL", {})
    mean, std = (
        model.get(key.upper()) or (state[key].flatten().tolist() if key in state else default)
        for key, default in (("pixel_mean", PIXEL_MEAN_BGR), ("pixel_std", PIXEL_STD_BGR))
    )
    if run.get("INPUT", {}).get("FORMAT", "BGR") == "BGR":
        mean, std = mean[::-1], std[::-1]
    first = model.get("RESNETS", {}).get("STRIDE_IN_1X1", all(s == 1 for s in std))
    return {
        "pixel_mean": tuple(value / 255 for value in mean),
        "pixel_std": tuple(value / 255 for value in std),
        "stride_in_1x1": first,
    }


def _num_anchors(state: Mapping[str, Tensor], retina: bool) -> int:
    if retina:
        return len(state["head.bbox_pred.bias"]) // 4
    return len(state["proposal_generator.rpn_head.objectness_logits.bias"])


def _anchors(
    state: Mapping[str, Tensor], prefix: str, retina: bool
) -> tuple[list[list[float]], list[float]]:
    """Sizes by level and aspect ratios: from the file where it holds them, else the usual ones.

    Detectron2 counts ratios within sizes.
    """
    cells = [state[f"{prefix}{i}"] for i in range(5) if f"{prefix}{i}" in state]
    if not cells:
        octaves = (1.0, 2 ** (1 / 3), 2 ** (2 / 3)) if retina else (1.0,)
        return [[x * o for o in octaves] for x in (32, 64, 128, 256, 512)], [0.5, 1.0, 2.0]
    sides = torch.stack(cells)[..., 2:].double() * 2
    ratios = [float(f"{r:.4g}") for r in (sides[0, :, 1] / sides[0, :, 0]).tolist()]
    num_ratios = len(set(ratios))
    sizes = sides.prod(-1).sqrt()[:, ::num_ratios]
    return [[float(f"{s:.7g}") for s in level] for level in sizes.tolist()], ratios[:num_ratios]


def _config(
    state: Mapping[str, Tensor],
    retina: bool,
    conventions: dict[str, Any],
    anchors: dict[str, Any],
) -> FasterRcnnConfig | MaskRcnnConfig | RetinaNetConfig:
    common: dict[str, Any] = {"freeze_norms": True, "box_loss": "l1", "anchors": anchors}
    if retina:
        top = state["backbone.top_block.p6.weight"].shape[1] == 2048
        common["conventions"] = {**conventions, "top_from_backbone": top}
        return RetinaNetConfig.model_validate({**common, "network": "retinanet_resnet50_fpn"})
    common |= {"conventions": {**conventions, "pool_aligned": True}, "pool_samples": 0}
    if any(key.startswith("roi_heads.mask_head.") for key in state):
        return MaskRcnnConfig.model_validate({**common, "network": "maskrcnn_resnet50_fpn"})
    return FasterRcnnConfig.model_validate({**common, "network": "fasterrcnn_resnet50_fpn"})


def _coco() -> tuple[str, ...]:
    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:]
    return tuple(name for name in names if name != "N/A")


def _renamed(state: Mapping[str, Tensor], retina: bool, order: str) -> dict[str, Tensor]:
    """The tensors under torchvision's names, the first convolution in RGB."""
    finest = 3 if retina else 2
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        if "anchor_generator" in key or key.startswith("pixel_"):
            continue
        if match := re.fullmatch(r"backbone\.fpn_(lateral|output)(\d)\.(\w+)", key):
            block = "inner_blocks" if match[1] == "lateral" else "layer_blocks"
            key = f"backbone.fpn.{block}.{int(match[2]) - finest}.0.{match[3]}"
        for pattern, replacement in NAMES:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value.float()
    if order == "BGR":
        renamed["backbone.body.conv1.weight"] = renamed["backbone.body.conv1.weight"].flip(1)
    return renamed


def _background_first(state: dict[str, Tensor]) -> None:
    """Background from the last output to the first, and outputs for it that are never read."""
    for end in ("weight", "bias"):
        classes = f"roi_heads.box_predictor.cls_score.{end}"
        state[classes] = state[classes].roll(1, 0)
        for key, each in (
            (f"roi_heads.box_predictor.bbox_pred.{end}", 4),
            (f"roi_heads.mask_predictor.mask_fcn_logits.{end}", 1),
        ):
            if key in state:
                unread = torch.zeros_like(state[key][:each])
                state[key] = torch.cat([unread, state[key]])


def _by_ratio(state: dict[str, Tensor], num_sizes: int, num_ratios: int) -> None:
    """Outputs of anchors from size by size to ratio by ratio, as our anchors stand."""
    for name in ("classification_head.cls_logits", "regression_head.bbox_reg"):
        for end in ("weight", "bias"):
            value = state[f"head.{name}.{end}"]
            by_size = value.unflatten(0, (num_sizes, num_ratios, -1))
            state[f"head.{name}.{end}"] = by_size.transpose(0, 1).flatten(0, 2)
