"""The contract of a family: the schema from which its detectors are built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field
from torch import Tensor

from smalldet.config.base import Frozen
from smalldet.models.detector import Detector


class DetectorConfig(Frozen):
    """What a recipe says of a detector. A family is one subclass, listed in `models.families`.

    Attributes:
        needs_masks: it learns from the outlines of objects.
        needs_rboxes: it learns from oriented boxes.
    """

    needs_masks: ClassVar[bool] = False
    needs_rboxes: ClassVar[bool] = False

    family: str = Field(description="which kind of detector")

    @property
    @abstractmethod
    def max_stride(self) -> int:
        """Sides of pictures are multiples of it, in pixels."""

    @abstractmethod
    def build(self, class_names: Sequence[str], tile_px: int) -> Detector:
        """An untrained detector.

        Args:
            class_names: what it is to find.
            tile_px: side of the tiles that it predicts on unless told.
        """

    def fitted(self, sides: Tensor) -> Self:
        """The same with what it leaves to the data, such as anchors; itself if nothing is.

        Args:
            sides: (N, 2) width and height of the objects in pixels, at the scale of training.
        """
        return self
