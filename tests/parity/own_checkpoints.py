"""What a kind of checkpoint is to the harness, and those that smalldet itself writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch

from smalldet.detections import TileDetections
from smalldet.inference.prediction_checkpoint import PredictionCheckpoint
from smalldet.models.checkpoints import native
from smalldet.models.checkpoints.loaded_model import ImportHints
from smalldet.models.checkpoints.read_model import read_model
from smalldet.models.speck.config import SpeckConfig
from smalldet.models.yolo.config import YoloConfig
from smalldet.training.ema import Ema
from smalldet.training.state import Progress, load_state, save_state
from tests.parity.checkpoint_mutations import (
    FORGED,
    SAFETENSORS,
    Mutation,
    header_of,
    with_header,
)

Mutations = dict[str, tuple[Mutation, ...]]
"""{file: ways in which it is changed}"""
Content = dict[str, Any]
"""What a reader gives: tensors, and for a model `class_names`, `tile_px`, `conf`."""

NETWORK = (
    "side_px: 64\nanchors: [[4, 4], [9, 7]]\nlayers:\n  - {conv: 8, size: 3, stride: 2}\n"
    "  - {conv: 8, size: 3, stride: 2, name: a}\n"
    "  - {conv: 14, normalised: false, activation: linear}\n  - {yolo: [0, 1]}\n"
)


class Kind(ABC):
    """What all kinds have.

    Attributes:
        STRICT: another model than the whole one is a mistake.
        IS_MODEL: what `read` gives is a model; else tensors of which none is built.
        SHARE: of the cases of other kinds, as it takes longer.
        NEEDS: packages beyond what all installations have.
        MUTATIONS: {file: ways in which it is changed}.
    """

    STRICT: ClassVar[bool] = False
    IS_MODEL: ClassVar[bool] = True
    SHARE: ClassVar[float] = 1.0
    NEEDS: ClassVar[tuple[str, ...]] = ()
    MUTATIONS: ClassVar[Mutations] = {}

    @classmethod
    @abstractmethod
    def make(cls, folder: Path) -> None:
        """Write a sound checkpoint into an empty folder."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Content:
        """What its reader gives."""


def content_of(path: Path, hints: ImportHints | None = None) -> Content:
    detector = read_model(path, hints).detector
    return {
        **detector.state_dict(),
        "class_names": detector.class_names,
        "tile_px": detector.tile_px,
        "conf": detector.conf,
    }


class Native(Kind):
    """Our own `.safetensors`."""

    MUTATIONS: ClassVar[Mutations] = {"m.safetensors": SAFETENSORS}

    @classmethod
    def make(cls, folder: Path) -> None:
        torch.manual_seed(0)
        config = YoloConfig(network="mine", text=NETWORK)
        native.save_detector(folder / "m.safetensors", config.build(("a", "b"), 64), config)

    @classmethod
    def read(cls, folder: Path) -> Content:
        return content_of(folder / "m.safetensors")


class NativeUnsigned(Native):
    """As an earlier version wrote it, without a checksum."""

    @classmethod
    def make(cls, folder: Path) -> None:
        Native.make(folder)
        path = folder / "m.safetensors"
        header, data = header_of(path.read_bytes())
        header["__metadata__"].pop("checksum", None)
        path.write_bytes(with_header(header, data))


class NativeForged(Native):
    """The same by somebody who knows how the checksum is made."""

    MUTATIONS: ClassVar[Mutations] = {"m.safetensors": FORGED}


class NativeSpeck(Native):
    """The family that most files are of, whose network is built from more fields."""

    SHARE = 0.15
    MUTATIONS: ClassVar[Mutations] = {"m.safetensors": FORGED}

    @classmethod
    def make(cls, folder: Path) -> None:
        config = SpeckConfig(backbone="mobilenetv3_small_050", width=16, strides=(8, 16))
        native.save_detector(folder / "m.safetensors", config.build(("a", "b"), 64), config)


class Resume(Kind):
    """The state of a training."""

    MUTATIONS: ClassVar[Mutations] = {"resume.safetensors": (*SAFETENSORS, *FORGED)}

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
    RUN: ClassVar[dict[str, str]] = {"model": "m", "conf": "0.25"}
    MUTATIONS: ClassVar[Mutations] = {
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


OWN = (Native, NativeForged, NativeUnsigned, NativeSpeck, Resume, Prediction)
