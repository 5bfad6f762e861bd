"""How far AP moves with where the tiles lie: the sparse scene of `speed.throughput`, shifted.

    python -m benchmarks.accuracy.grid_offsets [--side 6000] [--offsets 12] [--model speck-n-aerial]

The plain goes on for some more pixels on the left and above, another number each time, so that
seams fall elsewhere; nothing else changes. In the last row it goes on on the right and below
instead, so that tiles lie four fifths of their side apart, where SAHI lays them.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from cyclopts import run

from benchmarks.speed.scenes import draw_patches, draw_sparse_scene
from smalldet.evaluation.scoring import score
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import open_tile_model

PLAIN, GRAIN = np.array([92, 104, 84]), 2.4  # of the scene


def main(
    *,
    side: int = 6000,
    offsets: int = 12,
    num_patches: int = 9,
    model: str = "speck-n-aerial",
    tile_px: int = 640,
    overlap_frac: float = 0.2,
    backend: str = "onnxruntime",
    seed: int = 0,
) -> None:
    """Print AP for each place of the grid."""
    options = PredictOptions(
        tile_px=tile_px, overlap_frac=overlap_frac, scout=True, no_gsd_match=True
    )
    predictor = Predictor(open_tile_model(model, backend=backend), options)
    step = round(tile_px * (1 - overlap_frac))
    whole_steps = tile_px + step * -(-(side - tile_px) // step)
    rng = np.random.default_rng(seed)
    moves = [(0, 0), *rng.integers(1, step, (offsets, 2)).tolist()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.tif"
        patches = draw_patches(Path(folder))
        truth = draw_sparse_scene(path, patches, side, side, num_patches=num_patches)
        with rasterio.open(path) as file:
            scene = file.read().transpose(1, 2, 0)
    print("| left, above | side, px | AP |\n|---|---:|---:|", flush=True)
    for (left, above), extent in (*((move, side + step) for move in moves), ((0, 0), whole_steps)):
        ground = rng.normal(PLAIN, GRAIN, (extent, extent, 3)).clip(1, 255).astype(np.uint8)
        ground[above : above + side, left : left + side] = scene
        found = predictor.predict(ground)
        found = replace(found, boxes=found.boxes - torch.tensor([left, above, left, above]))
        report = score(truth, [found], max_detections=max(1, len(found)))
        print(
            f"| {left}, {above} | {extent} | {100 * (report.metrics['AP'] or 0):.2f} |", flush=True
        )


if __name__ == "__main__":
    run(main)
