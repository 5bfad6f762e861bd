"""A network in a runtime beside torch, whose outputs our own decoding reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from smalldet.class_names import ClassNames, parse_class_names
from smalldet.detections import Detections
from smalldet.graphs.facts import GraphFacts
from smalldet.models.detector import Decoder
from smalldet.tile_models.torch_model import BATCH_PX

RunGraph = Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]
"""Tiles (B, C, H, W) uint8 to the outputs of the family's `network`."""


class GraphTileModel:
    """A graph that a runtime computes, as a tile model.

    Args:
        run: computes the graph.
        facts: what the file says.
        decoder: of the same schema.
        fingerprint: of the weights.
        runtime: what computes, and how exactly.
        device_type: where it computes, for the size of batches.
    """

    def __init__(
        self,
        run: RunGraph,
        facts: GraphFacts,
        decoder: Decoder,
        *,
        fingerprint: str,
        runtime: str,
        device_type: str = "cpu",
    ) -> None:
        self._run, self._decoder, self.facts = run, decoder, facts
        self.class_names = decoder.class_names
        self.finds_masks = decoder.finds_masks
        self.in_channels, self.stride = facts.bands, facts.fixed_px or facts.stride
        self.least_px = decoder.least_px
        self.tile_px, self.conf = facts.fixed_px or facts.tile_px, facts.conf
        self.seen, self.fingerprint, self.runtime = facts.seen, fingerprint, runtime
        self._batch_px = BATCH_PX.get(device_type, BATCH_PX["cpu"])

    def batch_size(self, height: int, width: int) -> int:
        """Tiles at a time: as many as the graph is for, else as they suit the device."""
        return self.facts.batch or max(1, self._batch_px // (height * width))

    @torch.inference_mode()
    def detect(self, images: Tensor, conf: float, max_detections: int) -> list[Detections]:
        """Objects of each tile (B, C, H, W) uint8 in its pixels, strongest first.

        Raises:
            ValueError: the graph is for tiles of another side.
        """
        height, width = images.shape[-2:]
        fixed_px = self.facts.fixed_px
        if fixed_px is not None and (height, width) != (fixed_px, fixed_px):
            raise ValueError(
                f"the graph was exported for tiles of {fixed_px} px alone, and is given "
                f"{width} x {height} px: leave --tile out, or export it again without --tile"
            )
        detections: list[Detections] = []
        for part in images.split(self.facts.batch or len(images)):
            outputs = self.outputs(part)
            detections += self._decoder.decode(outputs, (height, width), conf, max_detections)
        return detections

    def outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs for tiles, no more of them than the graph is for."""
        missing = (self.facts.batch or len(images)) - len(images)
        filled = F.pad(images, (0, 0) * 3 + (0, missing)) if missing else images
        made = self._run(np.ascontiguousarray(filled.numpy()))
        return tuple(torch.from_numpy(output)[: len(images)] for output in made)


def checked(model: GraphTileModel, where: str) -> GraphTileModel:
    """The model, if it gives detections for an empty tile.

    Raises:
        ValueError: its outputs are not those that its facts promise.
    """
    side = model.facts.fixed_px or model.stride * -(-64 // model.stride)
    tile = torch.zeros((1, model.in_channels, side, side), dtype=torch.uint8)
    try:
        model.detect(tile, model.conf, 10)
    except Exception as error:  # whatever a runtime raises, or decoding on outputs of any shape
        raise ValueError(
            f"{where}: its network does not give what its facts promise; export it again: "
            f"{_line(error)}"
        ) from error
    return model


def renamed(decoder: Decoder, class_names: ClassNames | None, path: Path) -> Decoder:
    """The decoder under the names that a person gives its classes, if any.

    Raises:
        ValueError: not as many as the model has.
    """
    names = parse_class_names(class_names)
    if names is not None:
        if len(names) != len(decoder.class_names):
            raise ValueError(
                f"{path}: has {len(decoder.class_names)} classes, but {len(names)} class names "
                "were given"
            )
        decoder.class_names = tuple(names)
    return decoder


def refuse_network(network: str | None, path: Path) -> None:
    """Raises ValueError: an exported file says itself what network it is."""
    if network is not None:
        raise ValueError(f"{path}: an exported model says itself what network it is")


def content_fingerprint(*parts: bytes) -> str:
    """What tells files from others."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
