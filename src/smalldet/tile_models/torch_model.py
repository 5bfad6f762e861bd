"""A detector in torch, made ready to predict: on its device, in its precision, norms fused."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from smalldet.class_names import ClassNames
from smalldet.detections import Detections
from smalldet.hardware import choose_device, choose_precision, keep_freed_memory
from smalldet.models import Detector, load_model
from smalldet.tile_models.protocol import MAX_DETECTIONS_PER_TILE

# Pixels at a time. On a GPU more bring nothing. On a CPU Speck-n takes 346 ms of one core for a
# 640 px tile alone, 319 in a batch of 2, 310 of 4, 295 of 8; but a batch of 4 takes twice the
# memory of one of 2.
BATCH_PX = {"cuda": 16_000_000, "mps": 4_000_000, "cpu": 1_000_000}
FREE_MEMORY_SHARE = 0.7


class TorchTileModel:
    """A detector of any family as a tile model.

    What works is a copy of the detector on the device, with its batch norms fused into its
    convolutions; one without norms is itself moved to the device. The detector is put into eval
    mode.

    Args:
        detector: finds objects in tiles.
        device: "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: there is no such device here.
    """

    def __init__(self, detector: Detector, device: str = "auto") -> None:
        from smalldet.models.fuse_batchnorm import fuse_batchnorm  # knows timm's and torchvision's

        self.device = choose_device(device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.precision = choose_precision("auto", self.device)
        self._detector = detector.eval()
        self._fused: Detector = fuse_batchnorm(detector).to(
            self.device, memory_format=torch.channels_last
        )  # pyright: ignore[reportCallIssue]
        self.class_names = detector.class_names
        self.in_channels, self.stride = detector.in_channels, detector.stride
        self.least_px = detector.least_px
        self.tile_px, self.conf, self.seen = detector.tile_px, detector.conf, detector.seen
        self.finds_masks = detector.finds_masks
        self.runtime = f"{self.device.type} in {self.precision}"

    @property
    def fingerprint(self) -> str:
        """What tells the detector from others: its kind, its classes and all its weights."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.blake2b(type(self._detector).__name__.encode(), digest_size=12)
        digest.update(json.dumps(self.class_names).encode())
        for name, values in sorted(self._detector.state_dict().items()):
            digest.update(name.encode())
            digest.update(values.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def batch_size(self, height: int, width: int) -> int:
        """Tiles at a time, as they suit the device and the memory it has free; at least one."""
        size = BATCH_PX.get(self.device.type, BATCH_PX["cpu"]) // (height * width)
        if size > 1 and self.device.type == "cuda":
            size = min(size, self._fitting(height, width))
        return max(1, size)

    @torch.inference_mode()
    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        """Objects of each tile (B, C, H, W) uint8 in its pixels, strongest first, on the CPU."""
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.precision, self.precision != torch.float32):
            detections = self._fused.predict(images, conf, max_detections)
        return [of_tile.to("cpu") for of_tile in detections]

    def _fitting(self, height: int, width: int) -> int:
        """Tiles that fit in a share of a GPU's free memory, by what an empty one takes."""
        sides = (math.ceil(side / self.stride) * self.stride for side in (height, width))
        tile = torch.zeros((1, self.in_channels, *sides), dtype=torch.uint8)
        self.detect(tile, 1.0, MAX_DETECTIONS_PER_TILE)  # what is allocated once and stays
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        self.detect(tile, 1.0, MAX_DETECTIONS_PER_TILE)
        taken = torch.cuda.max_memory_allocated(self.device) - before
        unused = torch.cuda.memory_reserved(self.device) - before
        free = torch.cuda.mem_get_info(self.device)[0] + unused
        return int(FREE_MEMORY_SHARE * free / max(1, taken))


def open_torch_model(
    path: Path, class_names: ClassNames | None, network: str | None, device: str
) -> TorchTileModel:
    """A file of weights as a tile model; see `open_tile_model`."""
    return TorchTileModel(load_model(path, class_names=class_names, network=network), device)
