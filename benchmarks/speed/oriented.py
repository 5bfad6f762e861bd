"""Suppression of oriented boxes: time, memory and what is kept, beside other libraries.

    python -m benchmarks.speed.oriented [--boxes 1000 5000 20000 50000] [--peers PYTHON]

Draws slim objects at any angle, close enough to lie over one another, and four jittered boxes of
each, as a detector gives them before suppression. Prints rows of a markdown table as they are
measured. Peers run by an interpreter that has them; torchvision has no such suppression.

    uv venv peers
    uv pip install --python peers supervision==0.31.2 opencv-python-headless shapely

Every method runs in a process of its own with limits of time and memory, so that a failure is a
row. Seconds are those of the CPU, the least of up to five runs, in one thread with
OMP_NUM_THREADS=1. `differs` counts boxes that smalldet keeps and the peer does not, or the other
way round.
"""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter, run

from benchmarks.limited import run_limited
from smalldet.geometry.oriented import canonical, rboxes_to_quads

BOXES_PER_OBJECT = 4
GROUND_PER_OBJECT_PX2 = 1600.0
IOU_THRESHOLD = 0.3
NUM_CLASSES = 5
METHODS = {
    "smalldet": "smalldet rotated_nms",
    "supervision": "supervision oriented_box_non_max_suppression",
    "shapely_loop": "shapely, a loop over what overlaps",
    "shapely_tree": "shapely, STRtree and vectorised",
}


@dataclass(frozen=True)
class Outcome:
    """What a method in a process of its own came to; `failure` is empty if it came to an end."""

    kept: np.ndarray
    failure: str = ""
    s: float = 0.0
    peak_mb: float = 0.0


def draw(num_boxes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Boxes as (N, 5) and as quads (N, 4, 2), float32, with scores and labels."""
    random = np.random.default_rng(seed)
    num_objects = num_boxes // BOXES_PER_OBJECT
    extent = math.sqrt(num_objects * GROUND_PER_OBJECT_PX2)
    centre = random.uniform(0, extent, (num_objects, 2))
    sides = np.stack([random.uniform(12, 60, num_objects), random.uniform(5, 16, num_objects)], 1)
    angle = random.uniform(-math.pi / 2, math.pi / 2, (num_objects, 1))
    objects = np.concatenate([centre, sides, angle], axis=1).repeat(BOXES_PER_OBJECT, axis=0)
    jitter = random.normal(0, 1, objects.shape) * [1, 1, 1, 0.5, 0.05]
    jittered = objects + jitter
    jittered[:, 2:4] = jittered[:, 2:4].clip(2)
    rboxes = canonical(torch.from_numpy(jittered)).float()
    return {
        "rboxes": rboxes.numpy(),
        "quads": rboxes_to_quads(rboxes.double()).float().numpy(),
        "scores": random.uniform(0.05, 1, len(rboxes)).astype(np.float32),
        "labels": random.integers(0, NUM_CLASSES, num_objects).repeat(BOXES_PER_OBJECT),
    }


def suppressed(
    python: str, method: str, boxes: dict[str, np.ndarray], timeout_s: float, memory_gb: float
) -> Outcome:
    """Suppress by one method in a process of its own."""
    nothing = np.zeros(0, dtype=np.bool_)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "boxes.npz", Path(folder) / "out.npz"
        np.savez(source, **boxes)  # pyright: ignore[reportArgumentType]
        options = [method, source, out, IOU_THRESHOLD, memory_gb]
        command = [python, "-m", "benchmarks.peers.oriented_methods", *options]
        _, failure = run_limited(command, timeout_s)
        if failure:
            return Outcome(nothing, failure)
        with np.load(out) as found:
            return Outcome(found["kept"], "", float(found["s"]), float(found["peak_mb"]))


def main(
    *,
    boxes: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (
        1000,
        5000,
        20_000,
        50_000,
    ),
    peers: Annotated[str | None, Parameter(help="Interpreter that has the peers.")] = None,
    timeout_s: float = 200,
    memory_gb: float = 8,
) -> None:
    """Print a row for each method and number of boxes."""
    print(f"IoU {IOU_THRESHOLD}; {NUM_CLASSES} classes; limits {timeout_s:g} s, {memory_gb:g} GB\n")
    print("| boxes | method | CPU s | times smalldet | MB | kept | differs |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for num in boxes:
        drawn, own = draw(num), None
        for method, title in METHODS.items():
            python = sys.executable if method == "smalldet" else peers
            if python is None:
                continue
            got = suppressed(python, method, drawn, timeout_s, memory_gb)
            own = own or got
            cells: list[object] = [got.failure, "", "", "", ""]
            if not got.failure:
                share, kept = got.s / own.s if own.s else 1, int(got.kept.sum())
                differs = int((got.kept != own.kept).sum()) if not own.failure else ""
                cells = [f"{got.s:.4f}", f"{share:.1f}", f"{got.peak_mb:.0f}", kept, differs]
            print(
                "| " + " | ".join(map(str, [len(drawn["scores"]), title, *cells])) + " |",
                flush=True,
            )


if __name__ == "__main__":
    run(main)
