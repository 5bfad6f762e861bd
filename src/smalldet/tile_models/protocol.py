"""The contract of every tile model."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from smalldet.detections import Detections
from smalldet.models.seen import Seen

MAX_DETECTIONS_PER_TILE = 3000


class TileModel(Protocol):
    """Finds objects in tiles of equal size, on a device and in a precision of its own.

    It is all that a prediction and an evaluation know of a model.
    """

    @property
    def class_names(self) -> tuple[str, ...]:
        """What labels point into."""
        ...

    @property
    def in_channels(self) -> int:
        """Bands of a tile."""
        ...

    @property
    def stride(self) -> int:
        """What the sides of tiles must be multiples of, pixels."""
        ...

    @property
    def least_px(self) -> int:
        """What the sides of tiles must not fall below."""
        ...

    @property
    def tile_px(self) -> int:
        """Side of the tiles that it works on unless told."""
        ...

    @property
    def conf(self) -> float:
        """Score over which its detections count unless told."""
        ...

    @property
    def seen(self) -> Seen:
        """How large objects were in training, where its file says so."""
        ...

    @property
    def finds_masks(self) -> bool:
        """Whether its detections have masks."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells it from all others: it follows from every weight. Made when first asked."""
        ...

    @property
    def runtime(self) -> str:
        """What computes it, and how exactly, such as `cpu in torch.float32`."""
        ...

    def batch_size(self, height: int, width: int) -> int:
        """Tiles of (height, width) pixels at a time that suit the device and its free memory."""
        ...

    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        """Objects of each tile in its pixels, strongest first, on the CPU.

        Args:
            images: (B, in_channels, H, W) uint8 on the CPU; H and W are multiples of `stride`, from
                `least_px`.
            conf: least score.
            max_detections: of a tile; the strongest are kept.
        """
        ...
