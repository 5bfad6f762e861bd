"""The contract of importers: what a foreign checkpoint gives, and what a person has to add."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smalldet.models.detector import Detector
from smalldet.models.families import ModelConfig


@dataclass(frozen=True)
class ImportHints:
    """What a person says of a checkpoint because its file cannot.

    Args:
        class_names: in the order of the checkpoint's outputs; None takes what the file holds.
        tile_px: side of the pictures that it was trained on; None takes what the file holds.
        config: a text beside the weights that describes the network, such as a Darknet `.cfg`.
        network: name of the architecture where the weights alone do not tell it.
    """

    class_names: tuple[str, ...] | None = None
    tile_px: int | None = None
    config: Path | None = None
    network: str | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A detector with its trained weights, and the schema that builds it again.

    Args:
        detector: in eval mode, on the CPU, in float32.
        config: what `native.save_detector` writes, so that the detector can be kept as our own.
    """

    detector: Detector
    config: ModelConfig
