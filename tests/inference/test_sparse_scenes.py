"""A scene of 10^12 pixels of which a file stores one block costs what the block costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from smalldet.imagery import open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor

SIDE = 1_000_000
LEFT, TOP = 696_320, 331_776  # of what is stored
MB = 1 << 20
# The most memory that a command took, in bytes, and what it said.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], check=False)
kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(kilobytes * (1 if sys.platform == "darwin" else 1024))
sys.exit(done.returncode)
"""


def sparse(path: Path, pixels: NDArray[np.uint8] | None, block: int = 4096) -> Path:
    """A file that stores `pixels` (H, W, 3) at LEFT, TOP and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=SIDE, height=SIDE, count=3, dtype="uint8", tiled=True,
            blockxsize=block, blockysize=block, compress="deflate", SPARSE_OK=True, BIGTIFF="YES",
        ) as file:  # fmt: skip
            if pixels is not None:
                height, width = pixels.shape[:2]
                window = Window(LEFT, TOP, width, height)  # pyright: ignore[reportCallIssue]
                file.write(np.moveaxis(pixels, 2, 0), window=window)
    return path


@pytest.mark.parametrize(
    "options",
    [{}, {"scales": (0.5, 1.0), "scout": True}],
    ids=str,
)
def test_objects_of_the_stored_block_are_found(finder, draw_squares, tmp_path, options):
    pixels, truth = draw_squares(400, 300, 20)
    whole = Predictor(finder, PredictOptions(**{"tile_px": 256, "overlap_frac": 0.4, **options}))
    path = sparse(tmp_path / "a.tif", pixels)
    seen: list[tuple[int, int]] = []
    start_s = time.process_time()
    with open_scene(path) as scene:
        found = whole.predict(scene, on_progress=lambda done, num: seen.append((done, num)))
    assert time.process_time() - start_s < 60
    assert seen[-1][0] == seen[-1][1] < 3000  # of more than 40 million
    moved = found.boxes - torch.tensor([LEFT, TOP, LEFT, TOP])
    if not options:
        assert torch.equal(moved, truth.boxes) and torch.equal(found.labels, truth.labels)
    assert len(found) and bool(((moved >= -1) & (moved <= 401)).all())


def test_a_scene_without_any_block_has_no_objects(finder, tmp_path):
    path = sparse(tmp_path / "a.tif", None, block=16_384)
    for options in ({}, {"scales": (0.5, 1.0)}, {"scout": True}, {"whole_pass": True}):
        predictor = Predictor(finder, PredictOptions(**{"tile_px": 256, **options}))
        assert len(predictor.predict(path)) == 0


def command(folder: Path, path: Path) -> tuple[int, list[object]]:
    """Bytes of memory that the command line takes for a picture, and what it finds."""
    out = folder / "out.json"
    words = ["-m", "smalldet.cli", "predict", path, "--out", out, "--batch-size", "1"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, sys.executable, *map(str, words)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    content = json.loads(out.read_text(encoding="utf-8"))
    return int(done.stdout.split()[-1]), content


@pytest.mark.slow
def test_the_command_line_takes_little_more_for_10_12_pixels(
    tmp_path: Path, draw_squares: Callable[..., tuple[NDArray[np.uint8], object]]
):
    pixels, _ = draw_squares(1500, 1100, 40)
    usual, _ = command(tmp_path, sparse_cut(tmp_path / "b.tif", pixels))
    huge, _ = command(tmp_path, sparse(tmp_path / "a.tif", pixels, block=512))
    assert huge - usual < 400 * MB


def sparse_cut(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """The stored pixels alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=3,
            dtype="uint8",
        ) as file:  # fmt: skip
            file.write(np.moveaxis(pixels, 2, 0))
    return path
