"""Masks from the labels to the file: polygons and run-length codes in, a scene of tiles out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Mask = NDArray[np.bool_]
Corners = list[tuple[int, int]]

TILE_PX = 64
SCENE_PX = 160


def triangle(x: int, y: int, side: int, missing: int) -> Corners:
    """A square without one of its corners: its box is twice as large as itself."""
    square = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    return square[:missing] + square[missing + 1 :]


def mask_of(corners: Corners, side_px: int) -> Mask:
    canvas = Image.new("1", (side_px, side_px))
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    return np.asarray(canvas)


def run_lengths(mask: Mask) -> list[int]:
    """Down the columns, zeros first."""
    flat = np.concatenate([[False], mask.T.ravel()])
    changes = np.flatnonzero(flat[1:] != flat[:-1]).tolist()
    return np.diff(np.array([0, *changes, mask.size])).tolist()


def draw(path: Path, shapes: list[Corners], side_px: int, rng: np.random.Generator) -> list[Mask]:
    """Bright shapes on noise; the mask of each."""
    pixels = rng.integers(20, 70, (side_px, side_px, 3), dtype=np.uint8)
    masks = [mask_of(shape, side_px) for shape in shapes]
    for mask in masks:
        pixels[mask] = rng.integers(180, 255)
    Image.fromarray(pixels).save(path)
    return masks


def draw_training_set(folder: Path, num_pictures: int) -> Path:
    """Four shapes a picture, outlined by polygons in one picture and by codes in the next."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    side = 96
    for number in range(1, num_pictures + 1):
        shapes = [
            triangle(
                48 * x + int(rng.integers(2, 18)),
                48 * y + int(rng.integers(2, 18)),
                int(rng.integers(14, 29)),
                int(rng.integers(4)),
            )
            for x in (0, 1)
            for y in (0, 1)
        ]
        masks = draw(folder / "images" / f"{number}.png", shapes, side, rng)
        images.append({"id": number, "file_name": f"{number}.png", "width": side, "height": side})
        for shape, mask in zip(shapes, masks, strict=True):
            x, y = np.min(shape, axis=0).tolist()
            right, bottom = np.max(shape, axis=0).tolist()
            polygons = [[value for corner in shape for value in corner]]
            code = {"size": [side, side], "counts": run_lengths(mask)}
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x, y, right - x, bottom - y],
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": polygons if number % 2 else code,
                }
            )
    categories = [{"id": 1, "name": "triangle"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "train.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def smalldet(*words: str | Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "smalldet.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.slow
def test_masks_survive_training_tiling_and_merging(tmp_path: Path) -> None:
    """A box alone covers its triangle with an IoU of a half; masks must do clearly better.

    Tiles start at 0, 48 and 96: no tile has the second and the third shape of the scene whole, and
    their masks are united from pieces.
    """
    folder = draw_training_set(tmp_path / "data", 24).parent
    smalldet(
        "train", "--data", folder, "--out", tmp_path / "run", "--device", "cpu",
        "model.family=mask_rcnn", "model.backbone=resnet10t", "model.strides=[4, 8, 16]",
        "model.width=32", "model.hidden_width=64", "model.num_proposals=100",
        "model.num_sampled_regions=64", f"data.tile_px={TILE_PX}", "data.tiles_per_epoch=160",
        "data.mosaic_prob=0", "data.scale_jitter=[0.9, 1.1]", "data.empty_frac=0",
        "training.start=scratch", "training.batch_size=8", "training.epochs=8",
        "training.lr=0.002", "training.warmup_steps=10", "training.ema_decay=0.9",
        "training.num_workers=0", "training.precision=fp32",
    )  # fmt: skip
    shapes = [
        triangle(10, 12, 22, 0), triangle(46, 80, 24, 1), triangle(92, 44, 26, 2),
        triangle(120, 120, 20, 3), triangle(80, 8, 18, 1),
    ]  # fmt: skip
    truth = draw(tmp_path / "scene.png", shapes, SCENE_PX, np.random.default_rng(1))
    smalldet(
        "predict", tmp_path / "scene.png", "--model", tmp_path / "run" / "last.safetensors",
        "--conf", "0.3", "--tile", str(TILE_PX), "--out", tmp_path / "found.json",
    )  # fmt: skip
    entries = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["annotations"]
    masks = [hotcoco.mask.decode(entry["segmentation"]).astype(bool) for entry in entries]
    assert all(entry["area"] == mask.sum() for entry, mask in zip(entries, masks, strict=True))
    ious = np.array([[overlap(mask, whole) for mask in masks] for whole in truth])
    assert ious.max(axis=1).min() > 0.7, ious.round(2)
    for shape, (left, right) in {1: (48, 64), 2: (96, 112)}.items():
        x, _, width, _ = entries[ious[shape].argmax()]["bbox"]
        assert x < left and x + width > right
    smalldet(
        "evaluate", "--data", folder, "--split", "train", "--out", tmp_path / "measured",
        "--model", tmp_path / "run" / "last.safetensors", "--tile", str(TILE_PX),
    )  # fmt: skip
    metrics = json.loads((tmp_path / "measured" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["mask_AP50"] > 0.8 and metrics["mask_AP"] > 0.3, metrics["mask_AP"]
