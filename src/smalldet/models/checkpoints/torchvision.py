"""Checkpoints of torchvision's detectors: the state dicts of its `.pth` files, both ways.

The modules of our families bear torchvision's names, so that nothing is renamed. Source of the
conventions: torchvision/models/detection/{faster_rcnn,mask_rcnn,retinanet}.py.
"""

from __future__ import annotations

from collections.abc import Container
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from smalldet.atomic_write import atomic_write
from smalldet.models.checkpoints.build_checked import build_checked
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.torch_file import read_state
from smalldet.models.detector import Detector
from smalldet.models.families import DetectorConfig
from smalldet.models.rcnn.faster_rcnn import FasterRcnnConfig
from smalldet.models.rcnn.mask_rcnn import MaskRcnnConfig
from smalldet.models.rcnn.retinanet import RetinaNetConfig

TorchvisionConfig = FasterRcnnConfig | MaskRcnnConfig | RetinaNetConfig

TRAINED_PX = 800  # the shorter side of its training pictures
RETINANET_CLASSES = "head.classification_head.cls_logits.bias"
RETINANET_BOXES = "head.regression_head.bbox_reg.bias"
OF_OTHERS = ("stride_in_1x1", "tensorflow_padding", "pixel_mean", "pool_aligned")
RCNN_CLASSES = "roi_heads.box_predictor.cls_score.bias"


def is_state(keys: Container[str]) -> bool:
    """Whether these are names of a detector of torchvision."""
    body = "backbone.body.conv1.weight" in keys or "backbone.body.0.0.weight" in keys
    return body and (RETINANET_CLASSES in keys or RCNN_CLASSES in keys)


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """The detector of a `.pth` file of torchvision, or of its training script.

    Class names are those of COCO where the file has its 91 outputs. Others have to be given: for
    Faster and Mask R-CNN without the background, which is output 0. A RetinaNet may count it
    too; its first output, which is never trained, is then left away, as are COCO's unused numbers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a file, other anchors than torchvision's, or names that do not fit it.
    """
    return load_state(path, read_state(path), hints)


def load_state(path: Path, state: dict[str, Tensor], hints: ImportHints) -> LoadedModel:
    """As `load`, from the tensors that the file holds."""
    if not is_state(state):
        raise ValueError(f"{path}: no detector of torchvision; its names begin {list(state)[:3]}")
    config = _config(state, hints.network, path)
    if isinstance(config, RetinaNetConfig):
        names = _retinanet_names(state, hints, path)
    else:
        names = _rcnn_names(len(state[RCNN_CLASSES]), hints, path)
    detector = build_checked(path, config, names, hints.tile_px or TRAINED_PX, state)
    return LoadedModel(detector, config)


def save(path: Path, detector: Detector, config: DetectorConfig) -> None:
    """Write the state dict that torchvision's network of the same name loads.

    Outputs are our classes, after background for Faster and Mask R-CNN.

    Raises:
        OSError: the file cannot be written, as on a full disk.
        ValueError: torchvision has no such network.
    """
    if not isinstance(config, TorchvisionConfig) or config.network is None:
        over = config.backbone if isinstance(config, TorchvisionConfig) else "layers of its own"
        raise ValueError(
            f"{path}: torchvision knows its own networks only (model.network=...), and this is a "
            f"{config.family} over {over}"
        )
    if config.needs_rboxes:
        raise ValueError(
            f"{path}: torchvision has no oriented boxes, and {config.family} finds such"
        )
    foreign = [key for key in OF_OTHERS if getattr(config.conventions, key)]
    foreign += ["anchors"] if config.anchors is not None else []
    foreign += ["attention"] if config.attention != "none" else []
    if foreign:
        raise ValueError(
            f"{path}: torchvision's {config.network} has no other {', '.join(foreign)}"
        )
    state = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    content = BytesIO()  # of a full disk torch's own writer tells neither the reason nor the file
    torch.save(state, content)
    with atomic_write(path) as draft:
        draft.write_bytes(content.getbuffer())


def _config(state: dict[str, Tensor], given: str | None, path: Path) -> TorchvisionConfig:
    """The schema of the network whose names these are."""
    network = _network(state)
    if given is not None and given != network:
        raise ValueError(f"{path}: has the names of {network}, not of {given}")
    norms = [v for k, v in state.items() if k.startswith("backbone.body.") and "running_var" in k]
    frozen = not any("num_batches_tracked" in key for key in state)
    # Frozen norms of the published networks, and of those trained on from them, have no eps
    norm_eps = 0.0 if frozen and all(bool((v > 0).all()) for v in norms) else 1e-5
    conventions = {"norm_eps": norm_eps}
    common = {"network": network, "freeze_norms": frozen, "conventions": conventions}
    if network.startswith("retinanet"):
        _check_anchors(len(state[RETINANET_BOXES]) // 4, 9, path)
        box_loss = "giou" if network.endswith("_v2") else "l1"
        return RetinaNetConfig.model_validate({**common, "box_loss": box_loss})
    wanted = 15 if "mobilenet" in network else 3
    _check_anchors(len(state["rpn.head.cls_logits.bias"]), wanted, path)
    if network.startswith("maskrcnn"):
        return MaskRcnnConfig.model_validate(common)
    return FasterRcnnConfig.model_validate(common)


def _network(state: dict[str, Tensor]) -> str:
    """torchvision's name, told by the names of the weights."""
    if RETINANET_CLASSES in state:
        normed = "head.classification_head.conv.0.1.weight" in state
        return "retinanet_resnet50_fpn" + ("_v2" if normed else "")
    if "backbone.body.conv1.weight" not in state:
        return "fasterrcnn_mobilenet_v3_large_fpn"
    end = "_v2" if "roi_heads.box_head.0.0.weight" in state else ""
    if any(key.startswith("roi_heads.mask_predictor.") for key in state):
        return "maskrcnn_resnet50_fpn" + end
    return "fasterrcnn_resnet50_fpn" + end


def _check_anchors(num_anchors: int, wanted: int, path: Path) -> None:
    if num_anchors != wanted:
        raise ValueError(
            f"{path}: has {num_anchors} anchors a place, torchvision's network {wanted}; their "
            "sizes are not in the file. Write a recipe with model.anchors and train from scratch"
        )


def _coco() -> list[str]:
    """The 91 names of COCO as torchvision counts them: background, 80 classes, 10 unused."""
    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    return [f"unused {i}" if name == "N/A" else name for i, name in enumerate(names)]


def _rcnn_names(num_outputs: int, hints: ImportHints, path: Path) -> tuple[str, ...]:
    coco = _coco()
    # the unused ones stay: they have a share in the softmax, if hardly any
    usual = tuple(coco[1:]) if num_outputs == len(coco) else None
    return hints.names_for(num_outputs - 1, path, usual)


def _retinanet_names(state: dict[str, Tensor], hints: ImportHints, path: Path) -> tuple[str, ...]:
    """The names of the outputs; those that no class has are taken out of `state`."""
    num_anchors = len(state[RETINANET_BOXES]) // 4
    num_outputs = len(state[RETINANET_CLASSES]) // num_anchors
    coco, given, usual = _coco(), hints.class_names, None
    kept = list(range(num_outputs))
    if given is None and num_outputs == len(coco):
        kept = [i for i, name in enumerate(coco) if i and not name.startswith("unused")]
        usual = tuple(coco[i] for i in kept)
    elif given is not None and num_outputs == len(given) + 1:
        kept = kept[1:]
    names = hints.names_for(len(kept), path, usual)
    for key in (RETINANET_CLASSES, RETINANET_CLASSES.replace("bias", "weight")):
        value = state[key]
        state[key] = value.unflatten(0, (num_anchors, num_outputs))[:, kept].flatten(0, 1)
    return names
