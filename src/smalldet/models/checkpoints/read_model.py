"""Any file of trained weights: what it is, by its first bytes, and the importer that reads it."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smalldet.models.checkpoints import (
    darknet,
    detectron2,
    keras_retinanet,
    native,
    torchvision,
    transformers_folder,
    ultralytics,
)
from smalldet.models.checkpoints.build_checked import MISFITS
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.torch_file import TorchFile
from smalldet.models.yolo import YoloDetector

Importer = Callable[[Path, ImportHints], LoadedModel]

ZIP = b"PK\x03\x04"
TENSORFLOW = re.compile(r"\.(pb|index|meta|data-\d+-of-\d+)$|\.ckpt")
PICKLE = b"\x80"
KINDS = (
    "smalldet's own .safetensors, Darknet .weights, Ultralytics YOLOv5 and YOLOv3 .pt, "
    "torchvision .pth, Detectron2 .pkl and .pth, keras-retinanet .h5, folders of transformers"
)


def read_model(path: Path, hints: ImportHints | None = None) -> LoadedModel:
    """The detector of a file of trained weights, whoever wrote it.

    Args:
        path: the file.
        hints: what the file cannot say.

    Raises:
        FileNotFoundError: no such file.
        ValueError: none of the formats that are read, damaged, or a hint is needed or does not fit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model")
    importer = _importer(path)
    try:
        return importer(path, hints or ImportHints())
    except MISFITS as error:
        # Importers take a file apart by what it should hold; what breaks in that is its damage.
        if isinstance(error, ValueError) and str(path.with_suffix("")) in str(error):
            raise
        what = str(error) if isinstance(error, ValueError) else repr(error)
        raise ValueError(f"{path}: damaged, or of another kind than it seems: {what}") from error


def write_model(path: Path, model: LoadedModel, about: dict[str, Any] | None = None) -> list[Path]:
    """Write a detector in the format that the suffix names.

    Args:
        path: `.safetensors`, `.weights` (with `.cfg` and `.names` beside), or torchvision's `.pth`.
        model: the detector and its schema.
        about: anything JSON can say about its making; kept in `.safetensors` only.

    Returns:
        The files.

    Raises:
        ValueError: no such format, or one that cannot hold this detector.
    """
    detector, config = model.detector, model.config
    if path.suffix == ".safetensors":
        native.save_detector(path, detector, config, about)
    elif path.suffix == ".weights":
        if not isinstance(detector, YoloDetector):
            raise ValueError(f"{path}: Darknet knows the YOLO family only, not {config.family}")
        return darknet.save(path, detector)
    elif path.suffix == ".pth":
        torchvision.save(path, detector, config)
    else:
        raise ValueError(f"{path}: write to .safetensors, .weights or .pth")
    return [path]


def _importer(path: Path) -> Importer:
    if TENSORFLOW.search(path.name):
        raise ValueError(
            f"{path}: checkpoints of TensorFlow's object detection are not read: their variables "
            "are named after objects of the code that made them, which differ from version to "
            "version. Start from torchvision's or Detectron2's weights of the same network instead"
        )
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix == ".weights":
        return darknet.load
    if transformers_folder.is_weights(path):
        return transformers_folder.load
    if head[8:9] == b"{" or path.suffix == ".safetensors":
        return _load_native
    if head[:8] == keras_retinanet.MAGIC:
        return keras_retinanet.load
    if path.suffix == ".pkl":
        return detectron2.load
    if head[:4] == ZIP or head[:1] == PICKLE:
        return _load_torch_file
    if tarfile.is_tarfile(path):
        raise ValueError(
            f"{path}: a tar, as torch wrote before version 0.2, is not read; load it in a torch of "
            "its time and save it anew"
        )
    raise ValueError(f"{path}: no file of weights that is known; known are {KINDS}")


def _load_torch_file(path: Path, hints: ImportHints) -> LoadedModel:
    """By what a file of torch.save holds: objects, or tensors of known names."""
    with TorchFile(path, ultralytics.KNOWN_NAMES) as file:
        if ultralytics.is_ultralytics(file.content):
            return ultralytics.load_file(file, hints)
        state = file.state()
    for maker in (torchvision, detectron2):
        if maker.is_state(state):
            return maker.load_state(path, state, hints)
    raise ValueError(
        f"{path}: a file of torch.save, but of no network that is known; its names begin with "
        f"{list(state)[:3]}; known are {KINDS}"
    )


def _load_native(path: Path, hints: ImportHints) -> LoadedModel:
    if hints.network is not None:
        raise ValueError(f"{path}: a smalldet checkpoint says itself what network it is")
    detector, config = native.load(path)
    detector.class_names = hints.names_for(len(detector.class_names), path, detector.class_names)
    detector.tile_px = hints.tile_px or detector.tile_px
    return LoadedModel(detector, config)
