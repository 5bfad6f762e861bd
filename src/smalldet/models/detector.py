"""The contract of every detector: a network, and a decoder of its outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import Tensor, nn

from smalldet.detections import Detections
from smalldet.models.bottlenecks import Bottleneck
from smalldet.models.seen import NOTHING_KNOWN, Seen
from smalldet.targets import Target

Outputs = tuple[Tensor, ...]
"""What a network gives for a batch of pictures; each family says what stands in it."""

Size = tuple[int, int]
"""Height and width of the pictures of a batch in pixels."""


class Decoder(ABC):
    """Makes detections of what a network gives, in whatever runtime it was computed.

    Attributes:
        class_names: what labels point into.
        in_channels: bands of a picture.
        stride: what sides must be multiples of.
        least_px: what sides must not fall below.
        fixed_shape: whether the network leaves torch for square tiles of one side only, and so
            many at a time.
        tile_px: side of the tiles that it predicts on unless told.
        conf: score over which its detections count unless told.
        seen: how large objects were in training.
        finds_masks: whether its detections have masks.
        torch_parts: modules that `decode` runs. They stay in torch where the network leaves it.
    """

    class_names: tuple[str, ...]
    in_channels: int
    stride: int
    least_px: int = 1
    fixed_shape: bool = False
    tile_px: int
    conf: float = 0.25
    seen: Seen = NOTHING_KNOWN
    finds_masks: bool = False
    torch_parts: tuple[str, ...] = ()

    @abstractmethod
    def decode(
        self, outputs: Outputs, size: Size, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        """Detections of each picture in its pixels, strongest first.

        Args:
            outputs: of the network.
            size: of the pictures.
            conf: least score.
            max_detections: most of a picture.
        """


class Detector(nn.Module, Decoder):
    """Finds objects in tiles of equal size.

    It has two halves. `network` turns pictures into tensors, always by the same steps, so that it
    can be exported to other runtimes. `decode` makes detections of those tensors and `losses` a
    loss; both know nothing of the pictures that the tensors do not say.

    Pictures are (B, in_channels, H, W), uint8 0..255 or float 0..1; H and W are multiples of
    `stride`. What comes back never depends on `self.training`, and nothing resizes in here.
    """

    @abstractmethod
    def network(self, images: Tensor) -> Outputs:
        """Raw outputs for pictures, normalisation included, decoding not."""

    @abstractmethod
    def losses(self, outputs: Outputs, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Named terms whose sum is minimised.

        Args:
            outputs: of `network`.
            images: that they are of; read for their shape, and to draw by what learns.
            targets: of each picture.
        """

    @abstractmethod
    def num_positives(self, outputs: Outputs, size: Size, targets: list[Target]) -> list[Tensor]:
        """How many places of the network learn each object.

        Args:
            outputs: of `network`.
            size: of the pictures.
            targets: of each picture.

        Returns:
            (N,) int64 for each picture. An object that no place learns is learned by nothing.
        """

    def loss(self, images: Tensor, targets: list[Target]) -> dict[str, Tensor]:
        """Named terms whose sum is minimised, for pictures."""
        return self.losses(self.network(images), images, targets)

    @torch.no_grad()
    def predict(
        self, images: Tensor, conf: float = 0.05, max_detections: int = 3000
    ) -> list[Detections]:
        """Detections of each picture in its pixels, strongest first."""
        height, width = images.shape[-2:]
        return self.decode(self.network(images), (height, width), conf, max_detections)

    def load_imagenet(self, weights: Path | None = None) -> None:
        """Start the backbone from ImageNet, where there are such weights for it.

        Raises:
            ValueError: there are none.
        """
        raise ValueError(
            f"{type(self).__name__} has no ImageNet weights to start from: set training.start to "
            "scratch, or to a file of trained weights"
        )

    def bottlenecks(self) -> list[Bottleneck]:
        """Blocks whose hidden channels can be trimmed, in the order in which they run."""
        return []

    def class_rows(self, key: str, num_classes: int) -> Tensor | None:
        """Which rows of a parameter speak of which class, so that a class can take its own along.

        Args:
            key: of the parameter.
            num_classes: of the detector, of this architecture, that the parameter belongs to.

        Returns:
            (num_classes, R) int64; None where no row speaks of one class alone.
        """
        return None


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 or float 0..1 to float 0..1."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images
