"""The contract of a family: the schema from which its detectors are built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor

from smalldet.config.base import Frozen
from smalldet.models.detector import Decoder, Detector

LARGEST = 1e6
"""No number of a network is larger."""


class DetectorConfig(Frozen):
    """What a recipe says of a detector. A family is one subclass, listed in `models.families`.

    Attributes:
        needs_masks: it learns from the outlines of objects.
    """

    needs_masks: ClassVar[bool] = False

    family: str = Field(description="which kind of detector")

    @model_validator(mode="after")
    def _within_reason(self) -> Self:
        for key, value in _numbers("", self.model_dump()):
            if not abs(value) <= LARGEST:
                raise ValueError(f"{key}: {str(value)[:20]} is no number of a network")
        return self

    @property
    def needs_rboxes(self) -> bool:
        """Whether it learns from oriented boxes, `Target.rboxes`, and finds such."""
        return False

    @property
    @abstractmethod
    def max_stride(self) -> int:
        """Sides of pictures are multiples of it, in pixels."""

    @property
    def usual_start(self) -> str:
        """Weights that a training starts from unless told, as `training.start`."""
        return "imagenet"

    def untrimmed(self) -> Self:
        """The same network with all hidden channels of its bottlenecks; see `trim`."""
        return self

    @abstractmethod
    def build(self, class_names: Sequence[str], tile_px: int) -> Detector:
        """An untrained detector.

        Args:
            class_names: what it is to find.
            tile_px: side of the tiles that it predicts on unless told.
        """

    def decoder(self, class_names: Sequence[str], tile_px: int) -> Decoder:
        """What decodes the outputs of a network of this schema, where that runs elsewhere.

        A family that can do so without its network need not wait for the libraries of that.
        """
        return self.build(class_names, tile_px)

    def fitted(self, sides: Tensor) -> Self:
        """The same with what it leaves to the data, such as anchors; itself if nothing is.

        Args:
            sides: (N, 2) width and height of the objects in pixels, at the scale of training.
        """
        return self

    def asking_for_anchors(self) -> Self | None:
        """The same with anchors to be fitted to the data; None where there are none to fit."""
        return None

    def anchor_likeness(self, sides: Tensor) -> float:
        """Mean over objects of the IoU of their shape with that of the anchor most like it.

        Args:
            sides: (N, 2) width and height of the objects in pixels, at the scale of training.
        """
        raise NotImplementedError


def _numbers(key: str, value: object) -> Iterator[tuple[str, float]]:
    """All numbers of a schema, each with its key."""
    if isinstance(value, int | float):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(f"{key}.{name}".lstrip("."), inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _numbers(key, inner)
