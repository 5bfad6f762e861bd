"""The contract of importers: what a foreign checkpoint gives, and what a person has to add."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smalldet.models.detector import Detector
from smalldet.models.detector_config import DetectorConfig


@dataclass(frozen=True)
class ImportHints:
    """What a person says of a checkpoint because its file cannot.

    Args:
        class_names: in the order of the checkpoint's outputs; None takes what the file holds.
        tile_px: side of the pictures that it was trained on; None takes what the file holds.
        network: name of the architecture where the weights alone do not tell it, or a file that
            describes it: Darknet's `.cfg`, a network text, Detectron2's YAML.
    """

    class_names: tuple[str, ...] | None = None
    tile_px: int | None = None
    network: str | None = None

    def names_for(
        self, num_classes: int, path: Path, usual: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Class names of a checkpoint: those given, else the usual ones.

        Args:
            num_classes: that the checkpoint has.
            path: of the checkpoint, for messages.
            usual: what the file says, or what its maker takes for granted; None if nothing.

        Raises:
            ValueError: there are no names, or not as many as classes.
        """
        given = self.class_names
        if given is not None and len(given) != num_classes:
            raise ValueError(
                f"{path}: has {num_classes} classes, but {len(given)} class names were given"
            )
        names = given or usual
        if names is None:
            raise ValueError(f"{path}: has {num_classes} classes and no names for them; give them")
        if len(names) != num_classes:
            raise ValueError(
                f"{path}: its class names are not as many as its {num_classes} classes; give them"
            )
        return tuple(names)


@dataclass(frozen=True)
class LoadedModel:
    """A detector with its trained weights, and the schema that builds it again.

    Args:
        detector: in eval mode, on the CPU, in float32.
        config: what `native.save_detector` writes, so that the detector can be kept as our own.
    """

    detector: Detector
    config: DetectorConfig
