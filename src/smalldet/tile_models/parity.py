"""How far a model in another runtime is from its detector in torch, on the same tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smalldet.detections import Detections
from smalldet.geometry.overlaps import iou, pairwise
from smalldet.models import Detector
from smalldet.tile_models.graph_model import GraphTileModel

RAW_TOLERANCE = 1e-4
LEAST_SCORE = 1e-3
NUM_COMPARED = 100


@dataclass(frozen=True)
class Tolerance:
    """How unlike two detections of one object may be.

    Args:
        score: most that the scores differ.
        iou: least that the boxes overlap.
        lost_share: of the detections, which may lack a partner: of near-equal boxes suppression
            leaves now one, now the other.
    """

    score: float
    iou: float
    lost_share: float


EXACT = Tolerance(score=1e-3, iou=0.99, lost_share=0.0)
REDUCED = Tolerance(score=0.05, iou=0.8, lost_share=0.1)
"""Of bfloat16 and half-precision weights."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison with torch gave.

    Args:
        raw_error: largest error of a raw output, in root mean squares of that output.
        num_detections: of torch, that were looked for.
        num_lost: of them, without a partner; and of the other's, likewise.
    """

    raw_error: float
    num_detections: int
    num_lost: int

    def __str__(self) -> str:
        return (
            f"raw outputs differ by {self.raw_error:.1e} at most; {self.num_lost} of "
            f"{self.num_detections} detections differ"
        )


def compare_with_torch(
    detector: Detector, model: GraphTileModel, tiles: Tensor, tolerance: Tolerance = EXACT
) -> Comparison:
    """Raw outputs and detections of both, for tiles (B, C, H, W) uint8; torch in float32.

    Detections are the 100 strongest of each tile, whatever their score, so that tiles that show
    nothing say something too.
    """
    height, width = tiles.shape[-2:]
    raw_error, num, lost = 0.0, 0, 0
    for tile in tiles.split(1):
        with torch.inference_mode():
            wanted = detector.network(tile)
            (ours,) = detector.decode(wanted, (height, width), LEAST_SCORE, NUM_COMPARED)
        given = model.outputs(tile)
        raw_error = max(raw_error, raw_error_of(given, wanted))
        (theirs,) = model.detect(tile, LEAST_SCORE, NUM_COMPARED)
        num += len(ours)
        lost += num_without_partner(ours, theirs, tolerance)
    return Comparison(raw_error, num, lost)


def raw_error_of(given: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> float:
    """Largest difference of any output, in root mean squares of what is wanted of it."""
    if [output.shape for output in given] != [output.shape for output in wanted]:
        return float("inf")
    errors = [
        (ours - theirs).abs().max() / theirs.square().mean().sqrt().clamp(min=1e-12)
        for ours, theirs in zip(given, wanted, strict=True)
    ]
    worst = torch.stack(errors).max().item()
    return worst if np.isfinite(worst) else float("inf")


def num_without_partner(ours: Detections, theirs: Detections, tolerance: Tolerance) -> int:
    """Detections of either side to which the other has none alike.

    Those that score within the tolerance of the weakest may be missing.
    """
    return max(_lacking(ours, theirs, tolerance), _lacking(theirs, ours, tolerance))


def _lacking(ours: Detections, theirs: Detections, tolerance: Tolerance) -> int:
    floor = LEAST_SCORE
    if max(len(ours), len(theirs)) >= NUM_COMPARED:
        floor = max(part.scores.min().item() for part in (ours, theirs) if len(part))
    strong = ours[ours.scores > floor + tolerance.score]
    if len(strong) == 0 or len(theirs) == 0:
        return len(strong)
    alike = pairwise(iou, strong.boxes, theirs.boxes) >= tolerance.iou
    alike &= strong.labels[:, None] == theirs.labels
    alike &= (strong.scores[:, None] - theirs.scores).abs() <= tolerance.score
    return int((~alike.any(1)).sum())


def textured_tiles(num: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """(num, C, H, W) uint8: soft ground with small bright and dark rectangles on it.

    Args:
        num: of tiles.
        shape: bands, height, width.
        seed: of the drawing.
    """
    generator = torch.Generator().manual_seed(seed)
    bands, height, width = shape
    coarse = torch.rand(num, bands, max(2, height // 32), max(2, width // 32), generator=generator)
    tiles = 60 + 90 * F.interpolate(coarse, (height, width), mode="bilinear")
    tiles += 12 * torch.randn(num, bands, height, width, generator=generator)
    for tile in tiles:
        for _ in range(max(4, height * width // 8000)):
            y, x, h, w = torch.randint(0, 1 << 20, (4,), generator=generator).tolist()
            y, x, h, w = y % height, x % width, 3 + h % 20, 3 + w % 20
            shade = 255 * torch.rand(bands, 1, 1, generator=generator)
            tile[:, y : y + h, x : x + w] = shade
    return tiles.clamp(0, 255).to(torch.uint8)
