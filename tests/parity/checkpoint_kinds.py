"""Small sound checkpoints of every kind, how each is read, and how its bytes are changed."""

from __future__ import annotations

import io
import json
import math
import pickle
import random
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load
from torch import nn

from smalldet.inference.prediction_checkpoint import PredictionCheckpoint
from smalldet.detections import TileDetections
from smalldet.models.checkpoints import detectron2, keras_retinanet, native
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.checkpoints.read_model import read_model, write_model
from smalldet.models.checkpoints.torch_file import read_state
from smalldet.models.yolo.config import YoloConfig
from smalldet.training.ema import Ema
from smalldet.training.state import Progress, load_state, save_state

Content = dict[str, Any]
Mutation = Callable[[bytes, random.Random], bytes]

NETWORK = (
    "side_px: 64\nanchors: [[4, 4], [9, 7]]\nlayers:\n  - {conv: 8, size: 3, stride: 2}\n"
    "  - {conv: 8, size: 3, stride: 2, name: a}\n  - {conv: 14, normalised: false, activation: linear}\n"
    "  - {yolo: [0, 1]}\n"
)
TOKENS = [
    b"nan", b"inf", b"-1", b"1e39", b"1e999", b"0", b"", b"\0", b"\xff\xfe", b"\n", b",", b'"',
    b"[", b"{", b"]", b"}", b"=", b"[net]\n", b"9" * 30, b"[" * 2000, b"null", b"1_0", b"-5",
    b"\x80\x02", b"c", b"R", b"0.5", b"e", b"1000000000000", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, -5, 10**12, 10**30, 0.5, 1e999, -1e999, float("nan"), "", "x", "nan", "\0",
    [], [1], [[]], {}, {"a": 1}, [0, 0], ["a"] * 3, [10**9], 4096, 65_537, "9" * 5000,
]  # fmt: skip


def any_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, left out, repeated, or hostile ones put in."""
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice([0, 0, 1, 1, 3, 20]))
        kind = rng.randrange(5)
        if kind == 0:
            raw = raw[:start] + rng.choice(TOKENS) + raw[end:]
        elif kind == 1:
            raw = raw[:start] + bytes([rng.randrange(256)]) + raw[start + 1 :]
        elif kind == 2:
            raw = raw[:start] if rng.random() < 0.3 else raw[:start] + raw[end:]
        elif kind == 3:
            raw = raw[:end] + raw[start:]
        else:
            at = rng.randrange(max(1, min(len(raw), 400)))
            raw = raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    return raw


def last_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Values of four bytes that are not finite, and cut or longer ends."""
    kind = rng.randrange(3)
    if kind == 0:
        return raw[: -rng.randint(1, 9)]
    if kind == 1:
        return raw + rng.choice(TOKENS)
    at = len(raw) - 4 * rng.randint(1, 40)
    value = rng.choice([math.nan, math.inf, -math.inf, -3e38])
    return raw[:at] + struct.pack("<f", value) + raw[at + 4 :]


def deep_json() -> str:
    return "[" * 100_000 + "]" * 100_000


# safetensors


def header_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def with_header(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def signed(raw: bytes) -> bytes:
    """With the checksum that belongs to it, as somebody would write it who means harm."""
    try:
        from smalldet.models.checkpoints.tensor_file import checksum
    except ImportError:
        return raw
    try:
        header, data = header_of(raw)
        told = {k: v for k, v in header["__metadata__"].items() if k != "checksum"}
        header["__metadata__"]["checksum"] = checksum(load(raw), told)
        return with_header(header, data)
    except Exception:
        return raw


def forged(mutate: Mutation) -> Mutation:
    """The same change by somebody who knows how the checksum is made."""
    return lambda raw, rng: signed(mutate(raw, rng))


def metadata_changed(raw: bytes, rng: random.Random) -> bytes:
    """A field of the metadata, or of the JSON in one, gets a hostile value or goes."""
    header, data = header_of(raw)
    told = header["__metadata__"]
    key = rng.choice(sorted(told))
    kind = rng.randrange(6)
    value = rng.choice(VALUES)
    inner: Any = None
    if kind < 3 and told[key][:1] == "{":
        inner = json.loads(told[key])
    if inner:
        place, field = inner, rng.choice(sorted(inner))
        while isinstance(place[field], dict) and place[field] and rng.random() < 0.7:
            place, field = place[field], rng.choice(sorted(place[field]))
        place[field] = value
        told[key] = json.dumps(inner)
    elif kind < 4:
        told[key] = value if isinstance(value, str) else json.dumps(value)
    elif kind == 4:
        del told[key]
        if rng.random() < 0.2:
            header["__metadata__"] = rng.choice([{}, None])
            if rng.random() < 0.3:
                del header["__metadata__"]
    else:
        told[key] = rng.choice([value, deep_json(), "{" + deep_json(), told[key] * 3, "5e-1"])
    return with_header(header, data)


def tensor_changed(raw: bytes, rng: random.Random) -> bytes:
    """A tensor renamed, retyped, resized, left out, or with values that are not sound."""
    header, data = header_of(raw)
    name = rng.choice([key for key in header if key != "__metadata__"])
    tensor = header[name]
    kind = rng.randrange(6)
    if kind == 0:
        header[rng.choice(["x", "", name + ".", name[:-1], "\0", name * 50])] = header.pop(name)
    elif kind == 1:
        tensor["dtype"] = rng.choice(["I32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3"])
    elif kind == 2:
        shape = tensor["shape"]
        tensor["shape"] = rng.choice([shape[::-1], [*shape, 1], [1, *shape], [0], [], [10**12, 0]])
    elif kind == 3:
        del header[name]
    else:
        start, end = tensor["data_offsets"]
        if end - start < 4:
            return any_bytes(raw, rng)
        at = start + 4 * rng.randrange((end - start) // 4)
        value = rng.choice([math.nan, math.inf, -math.inf, -1.0, 1e30])
        data = data[:at] + struct.pack("<f", value) + data[at + 4 :]
    return with_header(header, data)


SAFETENSORS = (any_bytes, last_bytes, metadata_changed, tensor_changed)
FORGED = (forged(metadata_changed), forged(tensor_changed))


def content_of(path: Path, hints: ImportHints | None = None) -> Content:
    detector = read_model(path, hints).detector
    return {
        **detector.state_dict(),
        "class_names": detector.class_names,
        "tile_px": detector.tile_px,
        "conf": detector.conf,
    }


class Kind:
    """What all kinds have.

    Attributes:
        STRICT: another model than the whole one is a mistake.
        IS_MODEL: what `read` gives is a model; else tensors of which none is built.
    """

    STRICT = False
    IS_MODEL = True


class Native(Kind):
    """Our own `.safetensors`."""

    MUTATIONS = {"m.safetensors": SAFETENSORS}

    @staticmethod
    def make(folder: Path) -> None:
        torch.manual_seed(0)
        config = YoloConfig(network="mine", text=NETWORK)
        native.save_detector(folder / "m.safetensors", config.build(("a", "b"), 64), config)

    @staticmethod
    def read(folder: Path) -> Content:
        return content_of(folder / "m.safetensors")


class NativeUnsigned(Native):
    """As an earlier version wrote it, without a checksum."""

    @staticmethod
    def make(folder: Path) -> None:
        Native.make(folder)
        path = folder / "m.safetensors"
        header, data = header_of(path.read_bytes())
        header["__metadata__"].pop("checksum", None)
        path.write_bytes(with_header(header, data))


class NativeForged(Native):
    """The same by somebody who knows how the checksum is made."""

    MUTATIONS = {"m.safetensors": FORGED}


class NativeSpeck(Native):
    """The family that most files are of, whose network is built from more fields."""

    MUTATIONS = {"m.safetensors": FORGED}

    @staticmethod
    def make(folder: Path) -> None:
        from smalldet.models.speck.config import SpeckConfig

        config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
        native.save_detector(folder / "m.safetensors", config.build(("a", "b"), 64), config)


class Darknet(Kind):
    """`.weights`, `.cfg` and `.names`."""

    MUTATIONS = {
        "m.weights": (any_bytes, last_bytes),
        "m.cfg": (any_bytes,),
        "m.names": (any_bytes,),
    }

    @staticmethod
    def make(folder: Path) -> None:
        Native.make(folder)
        write_model(folder / "m.weights", read_model(folder / "m.safetensors"))

    @staticmethod
    def read(folder: Path) -> Content:
        return content_of(folder / "m.weights")


# files of torch.save


def zip_changed(raw: bytes, rng: random.Random) -> bytes:
    """A sound zip with another pickle, storage, name or way of packing."""
    kind, target = rng.randrange(6), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(target, "w") as new:
        names = old.namelist()
        if kind < 4:
            pickled = [name for name in names if name.endswith("data.pkl")]
            chosen = pickled[0] if kind < 2 else rng.choice(names)
        else:
            chosen = rng.choice(names)
        for name in names:
            content, packing = old.read(name), zipfile.ZIP_STORED
            if name == chosen and kind < 3:
                content = any_bytes(content, rng)
            elif name == chosen and kind == 3:
                content = last_bytes(content, rng) if len(content) > 200 else b""
            elif name == chosen and kind == 4:
                if rng.random() < 0.4:
                    continue
                name = rng.choice(["data.pkl", "x/data.pkl", "../x", "m/data/0", "m/byteorder"])
                if name in names:
                    name += "x"
            elif name == chosen:
                packing = zipfile.ZIP_DEFLATED
            new.writestr(name, content, packing)
    return target.getvalue()


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
    MUTATIONS = {"m.pt": (any_bytes, zip_changed, zip_changed)}

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

    @staticmethod
    def read(folder: Path) -> Content:
        return content_of(folder / "m.pt")


class UltralyticsOld(UltralyticsZip):
    """The same in the format of torch before 1.6."""

    ZIPPED = False
    MUTATIONS = {"m.pt": (any_bytes, last_bytes)}


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
    MUTATIONS = {"m.pth": (any_bytes, zip_changed, zip_changed)}

    @classmethod
    def make(cls, folder: Path) -> None:
        state = emptied(TORCHVISION)
        torch.save(state, folder / "m.pth", _use_new_zipfile_serialization=cls.ZIPPED)

    @staticmethod
    def read(folder: Path) -> Content:
        names_refused(folder / "m.pth")
        return dict(read_state(folder / "m.pth"))


class TorchvisionOld(TorchvisionZip):
    ZIPPED = False
    MUTATIONS = {"m.pth": (any_bytes, last_bytes)}


class Detectron2Pickle(Kind):
    """`.pkl` of Detectron2's zoo: a dict of arrays."""

    IS_MODEL = False
    MUTATIONS = {"m.pkl": (any_bytes,)}

    @staticmethod
    def make(folder: Path) -> None:
        arrays = {name: value.numpy() for name, value in emptied(DETECTRON2).items()}
        (folder / "m.pkl").write_bytes(pickle.dumps({"model": arrays}, 2))

    @staticmethod
    def read(folder: Path) -> Content:
        names_refused(folder / "m.pkl")
        return dict(detectron2._read(folder / "m.pkl"))


# HDF5


def h5_changed(raw: bytes, rng: random.Random) -> bytes:
    """A sound HDF5 file with an array renamed, retyped, resized, packed, or deep in groups."""
    import h5py

    memory = io.BytesIO(raw)
    with h5py.File(memory, "r+") as file:
        name = rng.choice(sorted(KERAS))
        kind = rng.randrange(9)
        values = file[name][()]
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

    IS_MODEL = False
    MUTATIONS = {"m.h5": (any_bytes, any_bytes, h5_changed)}

    @staticmethod
    def make(folder: Path) -> None:
        import h5py

        with h5py.File(folder / "m.h5", "w") as file:
            for name, value in emptied(KERAS).items():
                file[name] = value.numpy()

    @staticmethod
    def read(folder: Path) -> Content:
        names_refused(folder / "m.h5")
        arrays, _ = keras_retinanet._read(folder / "m.h5")
        return {name: torch.from_numpy(value) for name, value in arrays.items()}


class Resume(Kind):
    """The state of a training."""

    MUTATIONS = {"resume.safetensors": (*SAFETENSORS, *FORGED)}

    @staticmethod
    def parts() -> tuple[Any, Ema, torch.optim.Optimizer]:
        torch.manual_seed(0)
        detector = YoloConfig(network="mine", text=NETWORK).build(("a", "b"), 64)
        optimiser = torch.optim.AdamW(detector.parameters())
        return detector, Ema(detector, 0.9), optimiser

    @classmethod
    def make(cls, folder: Path) -> None:
        detector, ema, optimiser = cls.parts()
        sum(p.square().sum() for p in detector.parameters()).backward()
        optimiser.step()
        progress = Progress(1, 2, 3, 4.0, 0.5, 0.3)
        save_state(folder / "resume.safetensors", detector, ema, optimiser, progress)

    @classmethod
    def read(cls, folder: Path) -> Content:
        detector, ema, optimiser = cls.parts()
        progress = load_state(folder / "resume.safetensors", detector, ema, optimiser)
        content: Content = {**detector.state_dict(), **vars(progress)}
        content |= {f"ema.{key}": value for key, value in ema.model.state_dict().items()}
        for row, values in optimiser.state_dict()["state"].items():
            content |= {f"optimiser.{row}.{key}": value for key, value in values.items()}
        return content


class Prediction(Kind):
    """The parts that a prediction leaves on its way: what is not restored is predicted again."""

    STRICT = True
    RUN = {"model": "m", "conf": "0.25"}
    MUTATIONS = {
        "000000000-000000002.safetensors": SAFETENSORS,
        "000000002-000000004.safetensors": SAFETENSORS,
    }

    @classmethod
    def make(cls, folder: Path) -> None:
        checkpoint = PredictionCheckpoint(folder, cls.RUN)
        for behind in (2, 4):
            checkpoint.note(cls.found(behind), behind)
            checkpoint.flush()

    @staticmethod
    def found(seed: int) -> TileDetections:
        rng = torch.Generator().manual_seed(seed)
        boxes = torch.rand((5, 4), generator=rng)
        boxes[:, 2:] += boxes[:, :2]
        return TileDetections(
            boxes,
            torch.rand(5, generator=rng),
            torch.arange(5) % 2,
            torch.arange(5) % 4,
            torch.zeros((5, 4), dtype=torch.bool),
            torch.zeros((4, 4), dtype=torch.long),
            ("a", "b"),
        )

    @classmethod
    def read(cls, folder: Path) -> Content:
        """What a run goes on with, the rest predicted anew."""
        checkpoint = PredictionCheckpoint(folder, cls.RUN)
        empty = TileDetections.empty(("a", "b"), torch.zeros((4, 4), dtype=torch.long))
        restored = list(checkpoint.restored(empty))
        done = restored[-1][1] if restored else 0
        parts = [part for part, _ in restored] + [cls.found(n) for n in (2, 4) if n > done]
        content: Content = {}
        for number, part in enumerate(parts):
            content |= {f"{number}.boxes": part.boxes, f"{number}.scores": part.scores}
            content |= {f"{number}.labels": part.labels, f"{number}.tile": part.tile}
        return content


KINDS = (
    Native, NativeForged, NativeUnsigned, NativeSpeck, Darknet, UltralyticsZip, UltralyticsOld, TorchvisionZip,
    TorchvisionOld, Detectron2Pickle, Keras, Resume, Prediction,
)  # fmt: skip
