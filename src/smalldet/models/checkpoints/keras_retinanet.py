"""Checkpoints of keras-retinanet: RetinaNet over ResNet-50 in Keras' `.h5`.

It becomes torchvision's RetinaNet under that project's conventions: pictures in BGR less a mean
and not divided by 255, bottlenecks that shrink in their first convolution, TensorFlow's padding,
anchors around the middles of cells, box codes of corners. Source of the names and conventions:
fizyr/keras-retinanet 1.0.0 (Apache-2.0) and broadinstitute/keras-resnet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smalldet.models.checkpoints.build_checked import MISFITS, build_checked
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.rcnn.retinanet import OCTAVES, RetinaNetConfig

MAGIC = b"\x89HDF\r\n\x1a\n"
TRAINED_PX = 800
NUM_ANCHORS = 9
# of a file, far above what Keras writes
MOST_ITEMS = 20_000
MOST_DEPTH = 12
MOST_SHARE = 4  # of an array's size in memory against the file, which may be packed or in halves
FLOAT_BYTES = 4
OPTIMISER = "optimizer_weights"
HARD_LINK = "HardLink"
PIXEL_MEAN_RGB = (123.68, 116.779, 103.939)

ENDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
LEVELS = {"3": 0, "4": 1, "5": 2}
CONVOLUTIONS = {"2a": "conv1", "2b": "conv2", "2c": "conv3", "1": "downsample.0"}
NORMS = {"2a": "bn1", "2b": "bn2", "2c": "bn3", "1": "downsample.1"}
HEADS = {"classification": "cls_logits", "regression": "bbox_reg"}

NAMES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"conv1", lambda m: "backbone.body.conv1"),
    (r"bn_conv1", lambda m: "backbone.body.bn1"),
    (r"(res|bn)(\d)([a-f])_branch(2[abc]|1)", lambda m: _block(*m.groups())),
    (r"C(\d)_reduced", lambda m: f"backbone.fpn.inner_blocks.{LEVELS[m[1]]}.0"),
    (r"P([345])", lambda m: f"backbone.fpn.layer_blocks.{LEVELS[m[1]]}.0"),
    (r"P([67])", lambda m: f"backbone.fpn.extra_blocks.p{m[1]}"),
    (r"pyramid_(\w+)_([0-3])", lambda m: f"head.{m[1]}_head.conv.{m[2]}.0"),
    (r"pyramid_(classification|regression)", lambda m: f"head.{m[1]}_head.{HEADS[m[1]]}"),
)


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """The detector of a `.h5` of keras-retinanet, saved as a model or as weights.

    Class names always have to be given, in the order of the training's class ids. Boxes that reach
    out of the picture are cut at its edge, not a pixel before it as there.

    Raises:
        FileNotFoundError: no such file.
        ImportError: h5py is not installed.
        ValueError: not such a file, another backbone or other anchors, or names that do not fit it.
    """
    arrays, layers = _read(path)
    state = {name: value for key, array in arrays.items() for name, value in _renamed(key, array)}
    classes, boxes = (f"head.{kind}_head.{end}.bias" for kind, end in HEADS.items())
    if classes not in state or "backbone.body.layer4.2.conv3.weight" not in state:
        raise ValueError(
            f"{path}: no keras-retinanet over ResNet-50; its layers begin {sorted(layers)[:3]}"
        )
    if len(state[boxes]) != 4 * NUM_ANCHORS:
        raise ValueError(
            f"{path}: has {len(state[boxes]) // 4} anchors a place, not the {NUM_ANCHORS} that "
            "keras-retinanet has unless told; their sizes do not stand in the file"
        )
    num_classes = len(state[classes]) // NUM_ANCHORS
    names = hints.names_for(num_classes, path)
    stem = "backbone.body.conv1.weight"
    state[stem] = state[stem].flip(1)  # BGR to RGB
    # before version 0.2 keras-resnet padded its stem evenly, by a layer
    config = _config("padding_conv1" not in layers)
    detector = build_checked(path, config, names, hints.tile_px or TRAINED_PX, state)
    return LoadedModel(detector, config)


def _config(tensorflow_stem: bool) -> RetinaNetConfig:
    return RetinaNetConfig.model_validate(
        {
            "network": "retinanet_resnet50_fpn",
            "freeze_norms": True,
            "conventions": {
                "top_from_backbone": True,
                "stride_in_1x1": True,
                "tensorflow_padding": True,
                "tensorflow_stem": tensorflow_stem,
                "pixel_mean": tuple(value / 255 for value in PIXEL_MEAN_RGB),
                "pixel_std": (1 / 255,) * 3,
                "box_codes": "corners",
            },
            "anchors": {
                "sizes": [[x * octave for octave in OCTAVES] for x in (32, 64, 128, 256, 512)],
                "offset": 0.5,
            },
            "box_loss": "l1",
        }
    )


def _read(path: Path) -> tuple[Mapping[str, NDArray[np.float32]], set[str]]:
    """Arrays by `layer/weight`, and the names of all layers, those without weights too."""
    if find_spec("h5py") is None:
        raise ImportError(f"{path}: reading .h5 needs h5py: pip install 'smalldet[keras]'")
    import h5py

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model")
    try:
        with h5py.File(path, "r") as file:
            return _walked(path, file)
    except (*MISFITS, OSError) as error:  # the library has no kind of its own
        raise ValueError(f"{path}: not a readable HDF5 file of weights: {error}") from error


def _walked(path: Path, file: Any) -> tuple[dict[str, NDArray[np.float32]], set[str]]:
    """All groups level by level. Links are not followed, so that no other file is opened."""
    arrays: dict[str, NDArray[np.float32]] = {}
    layers: set[str] = set()
    num_items, left = 0, MOST_SHARE * path.stat().st_size
    level = [((), file)]
    for _ in range(MOST_DEPTH):
        inner: list[tuple[tuple[str, ...], Any]] = []
        for above, group in level:
            for name in group:
                num_items += 1
                if num_items > MOST_ITEMS:
                    raise ValueError(f"more than {MOST_ITEMS} groups and arrays")
                if name == OPTIMISER or type(group.get(name, getlink=True)).__name__ != HARD_LINK:
                    continue
                item, parts = group[name], (*above, name)
                if not hasattr(item, "dtype"):
                    layers.add(name)
                    inner.append((parts, item))
                elif above:
                    left -= item.size * max(item.dtype.itemsize, FLOAT_BYTES)
                    if left < 0:
                        raise ValueError("its arrays are larger than the file")
                    arrays["/".join(parts[-2:])] = _numbers("/".join(parts), item)
        level = inner
    if level:
        raise ValueError(f"groups deeper than {MOST_DEPTH}")
    return arrays, layers


def _numbers(name: str, item: Any) -> NDArray[np.float32]:
    if item.dtype.kind not in "fiu":
        raise ValueError(f"{name} is of {item.dtype}, not of numbers")
    return np.asarray(item, dtype=np.float32)


def _renamed(key: str, array: NDArray[np.float32]) -> list[tuple[str, Tensor]]:
    """The tensor under torchvision's name; nothing for what is no part of the network."""
    layer, _, end = key.partition("/")
    end = end.removesuffix(":0")
    for pattern, name in NAMES:
        if end in ENDS and (match := re.fullmatch(pattern, layer)):
            value = torch.from_numpy(array.copy())
            if value.ndim == 4:
                value = value.permute(3, 2, 0, 1).contiguous()
            return [(f"{name(match)}.{ENDS[end]}", value)]
    return []


def _block(kind: str, stage: str, block: str, branch: str) -> str:
    names = CONVOLUTIONS if kind == "res" else NORMS
    return f"backbone.body.layer{int(stage) - 1}.{ord(block) - ord('a')}.{names[branch]}"
