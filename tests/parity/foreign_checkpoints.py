"""Small checkpoints of other makers."""

from __future__ import annotations

import io
import math
import pickle
import random
import sys
import types
from pathlib import Path
from typing import ClassVar
from unittest import mock

import numpy as np
import torch
from torch import nn

from smalldet.models.checkpoints import detectron2, keras_retinanet
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.checkpoints.read_model import read_model, write_model
from smalldet.models.checkpoints.torch_file import read_state
from tests.parity.checkpoint_mutations import any_bytes, last_bytes, zip_changed
from tests.parity.own_checkpoints import Content, Kind, Mutations, Native, content_of


class Darknet(Kind):
    """`.weights`, `.cfg` and `.names`."""

    MUTATIONS: ClassVar[Mutations] = {
        "m.weights": (any_bytes, last_bytes),
        "m.cfg": (any_bytes,),
        "m.names": (any_bytes,),
    }

    @classmethod
    def make(cls, folder: Path) -> None:
        Native.make(folder)
        write_model(folder / "m.weights", read_model(folder / "m.safetensors"))

    @classmethod
    def read(cls, folder: Path) -> Content:
        return content_of(folder / "m.weights")


class Conv(nn.Module):
    def __init__(self, c1: int, c2: int, k: int, s: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2, bias=False)
        self.bn, self.act = nn.BatchNorm2d(c2, eps=1e-3), nn.SiLU()
        self.f = -1


class Detect(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nc, self.na, self.stride, self.f = 2, 2, torch.tensor([2.0, 4.0]), [0, 1]
        self.register_buffer("anchors", torch.tensor([[[1.0, 1], [2, 3]], [[2, 2], [3, 4]]]))
        self.m = nn.ModuleList([nn.Conv2d(channels, 14, 1), nn.Conv2d(channels, 14, 1)])


class DetectionModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.names = ["a", "b"]
        self.model = nn.Sequential(Conv(3, 8, 3, 2), Conv(8, 8, 3, 2), Detect(8))


HOMES = {"models.common": (Conv,), "models.yolo": (Detect, DetectionModel)}


class UltralyticsZip(Kind):
    """`.pt` of YOLOv5 as torch writes it today."""

    ZIPPED = True
    MUTATIONS: ClassVar[Mutations] = {"m.pt": (any_bytes, zip_changed, zip_changed)}

    @classmethod
    def make(cls, folder: Path) -> None:
        torch.manual_seed(0)
        modules = {name: types.ModuleType(name) for name in ("models", *HOMES)}
        with mock.patch.dict(sys.modules, modules):
            for name, kinds in HOMES.items():
                for kind in kinds:
                    kind.__module__ = name
                    setattr(sys.modules[name], kind.__name__, kind)
            content = {"model": DetectionModel().eval()}
            torch.save(content, folder / "m.pt", _use_new_zipfile_serialization=cls.ZIPPED)

    @classmethod
    def read(cls, folder: Path) -> Content:
        return content_of(folder / "m.pt")


class UltralyticsOld(UltralyticsZip):
    """The same in the format of torch before 1.6."""

    ZIPPED = False
    MUTATIONS: ClassVar[Mutations] = {"m.pt": (any_bytes, last_bytes)}


def emptied(names: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=rng) for name, shape in names.items()}


TORCHVISION = {
    "backbone.body.conv1.weight": (2, 3, 1, 1),
    "backbone.body.bn1.running_var": (2,),
    "rpn.head.cls_logits.bias": (3,),
    "roi_heads.box_predictor.cls_score.bias": (4,),
    "head.regression_head.bbox_reg.bias": (36,),
    "head.regression_head.bbox_reg.weight": (36, 1),
    "head.classification_head.cls_logits.weight": (27, 1),
}
DETECTRON2 = {
    "backbone.bottom_up.stem.conv1.weight": (2, 3, 1, 1),
    "backbone.fpn_lateral3.weight": (2, 1, 1, 1),
    "proposal_generator.rpn_head.objectness_logits.bias": (3,),
    "proposal_generator.anchor_generator.cell_anchors.0": (3, 4),
    "roi_heads.box_predictor.cls_score.weight": (4, 2),
    "roi_heads.box_predictor.cls_score.bias": (4,),
    "roi_heads.box_predictor.bbox_pred.weight": (12, 2),
    "roi_heads.box_predictor.bbox_pred.bias": (12,),
    "pixel_mean": (3, 1, 1),
} | {
    f"backbone.bottom_up.res{i}.{j}.conv1.weight": (1, 1, 1, 1)
    for i, n in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True)
    for j in range(n)
}
KERAS = {
    "conv1/conv1/kernel:0": (1, 1, 3, 2),
    "bn_conv1/bn_conv1/moving_variance:0": (2,),
    "res5c_branch2c/res5c_branch2c/kernel:0": (1, 1, 2, 2),
    "P6/P6/bias:0": (2,),
    "classification_submodel/pyramid_classification/bias:0": (18,),
    "regression_submodel/pyramid_regression/bias:0": (36,),
}
NAMES = ImportHints(class_names=("a", "b"))


def names_refused(path: Path) -> None:
    """A file with the names of a network and tensors far too small for it is refused by name."""
    try:
        read_model(path, NAMES)
    except ValueError as error:
        if str(path) not in str(error):
            raise
    else:
        raise AssertionError("a network without weights")


class TorchvisionZip(Kind):
    """`.pth` of torchvision: a dict of tensors."""

    ZIPPED = True
    IS_MODEL = False
    MUTATIONS: ClassVar[Mutations] = {"m.pth": (any_bytes, zip_changed, zip_changed)}

    @classmethod
    def make(cls, folder: Path) -> None:
        state = emptied(TORCHVISION)
        torch.save(state, folder / "m.pth", _use_new_zipfile_serialization=cls.ZIPPED)

    @classmethod
    def read(cls, folder: Path) -> Content:
        names_refused(folder / "m.pth")
        return dict(read_state(folder / "m.pth"))


class TorchvisionOld(TorchvisionZip):
    ZIPPED = False
    MUTATIONS: ClassVar[Mutations] = {"m.pth": (any_bytes, last_bytes)}


class Detectron2Pickle(Kind):
    """`.pkl` of Detectron2's zoo: a dict of arrays."""

    IS_MODEL = False
    MUTATIONS: ClassVar[Mutations] = {"m.pkl": (any_bytes,)}

    @classmethod
    def make(cls, folder: Path) -> None:
        arrays = {name: value.numpy() for name, value in emptied(DETECTRON2).items()}
        (folder / "m.pkl").write_bytes(pickle.dumps({"model": arrays}, 2))

    @classmethod
    def read(cls, folder: Path) -> Content:
        names_refused(folder / "m.pkl")
        return dict(detectron2._read(folder / "m.pkl"))


def h5_changed(raw: bytes, rng: random.Random) -> bytes:
    """A sound HDF5 file with an array renamed, retyped, resized, packed, or deep in groups."""
    import h5py

    memory = io.BytesIO(raw)
    with h5py.File(memory, "r+") as file:
        name = rng.choice(sorted(KERAS))
        kind = rng.randrange(9)
        values = np.asarray(file[name], np.float32)
        if kind < 7:
            del file[name]
        if kind == 0:
            file[rng.choice(["x", "a/b", name + "x", name.split("/")[0] + "/x", "deep/" * 90])] = (
                values
            )
        elif kind == 1:
            file[name] = values.astype(rng.choice([np.int8, np.float16, np.float64, np.complex64]))
        elif kind == 2:
            file[name] = rng.choice(["text", b"bytes", [b"a", b"b"]])
        elif kind == 3:
            file[name] = values.reshape(-1)[: rng.randrange(3)].reshape(
                rng.choice([(-1,), (1, -1)])
            )
        elif kind == 4:
            file[name] = np.full_like(values, rng.choice([math.nan, math.inf, -1.0]))
        elif kind == 5:
            file.create_dataset(name, (10**9, 100), np.float32, chunks=(1, 100), compression="gzip")
        elif kind == 6:
            file[name] = rng.choice(
                [h5py.SoftLink("/"), h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/x")]
            )
        elif kind == 7:
            place = file
            for _ in range(rng.choice([10, 1000])):
                place = place.create_group("g")
            file["g/loop"] = file["/"]
        else:
            for number in range(rng.choice([10, 2000])):
                file.create_group(f"g{number}/h")
    return memory.getvalue()


class Keras(Kind):
    """`.h5` of keras-retinanet."""

    SHARE = 0.6
    NEEDS = ("h5py",)
    IS_MODEL = False
    MUTATIONS: ClassVar[Mutations] = {"m.h5": (any_bytes, any_bytes, h5_changed)}

    @classmethod
    def make(cls, folder: Path) -> None:
        import h5py

        with h5py.File(folder / "m.h5", "w") as file:
            for name, value in emptied(KERAS).items():
                file[name] = value.numpy()

    @classmethod
    def read(cls, folder: Path) -> Content:
        names_refused(folder / "m.h5")
        arrays, _ = keras_retinanet._read(folder / "m.h5")
        return {name: torch.from_numpy(value) for name, value in arrays.items()}


FOREIGN = (
    Darknet,
    UltralyticsZip,
    UltralyticsOld,
    TorchvisionZip,
    TorchvisionOld,
    Detectron2Pickle,
    Keras,
)
