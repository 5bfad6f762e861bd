"""Merging what tiles saw: time, memory, doubles left and objects lost, beside other libraries.

    python -m benchmarks.speed.merge [--boxes 1000 5000 50000 200000] [--classes 5 15]
        [--peers PYTHON]

Draws objects of 8 to 24 px, a few pixels apart, and what the tiles of a scene see of them: edges
jittered by a pixel, a twentieth of the views missing. Prints rows of a markdown table as they are
measured. Peers run by an interpreter that has them:

    uv venv peers && uv pip install --python peers sahi==0.12.8 supervision==0.31.0 numba

Every merge runs in a process of its own with limits of time and memory, so that a failure is a row.
Seconds are those of the CPU, the least of up to five runs.
Peers take the settings, of those listed, with the fewest doubles and losses at 5,000 boxes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter, run
from torch import Tensor

from benchmarks.limited import run_limited
from smalldet.geometry.tiles import interior_cuts, tile_grid

MERGE_METHODS = "benchmarks.peers.merge_methods"
CELL_PX = 28  # each object lies somewhere in a cell of its own
TILE_PX, OVERLAP_FRAC = 640, 0.2
VIEWS_PER_OBJECT = 1.45
LEAST_VISIBLE = 0.3  # share of an object in a tile from which a detector would see it
SEEN_SHARE = 0.95
TUNED_AT = 5000

_OVERLAPS = [
    {"metric": metric, "threshold": t} for metric in ("IOS", "IOU") for t in (0.2, 0.3, 0.5)
]
MERGES: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("smalldet", "smalldet", [{}]),
    ("torchvision batched_nms", "torchvision", [{"threshold": t} for t in (0.2, 0.3, 0.5)]),
    *(
        (f"SAHI {kind}", "sahi", [{"kind": kind, **overlap} for overlap in _OVERLAPS])
        for kind in ("GREEDYNMM", "NMS")
    ),
    *(
        (f"supervision {kind.upper()}", "supervision", [{"kind": kind, **o} for o in _OVERLAPS])
        for kind in ("nms", "nmm")
    ),
]


@dataclass(frozen=True)
class Drawn:
    """A drawn scene.

    Args:
        views: arrays of `TileDetections`.
        labels: (num objects,) int64.
        columns: objects in a row of cells.
        seen: (num objects,) bool, in at least one tile.
    """

    views: dict[str, np.ndarray]
    labels: np.ndarray
    columns: int
    seen: np.ndarray

    def mistakes(self, boxes: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
        """What a merge left over, and the objects that were seen and are gone after it."""
        column, row = ((boxes[:, :2] + boxes[:, 2:]) / 2 // CELL_PX).astype(np.int64).T
        owner = np.clip(row * self.columns + column, 0, len(self.labels) - 1)
        right = self.labels[owner] == labels
        times = np.bincount(owner[right], minlength=len(self.labels))
        doubles = (~right).sum() + (times - 1).clip(0).sum()
        return int(doubles), int((self.seen & (times == 0)).sum())


def draw(num_views: int, num_classes: int, seed: int = 0) -> Drawn:
    """About `num_views` views of drawn objects by the tiles of a square scene."""
    random = np.random.default_rng(seed)
    columns = max(1, round((num_views / VIEWS_PER_OBJECT) ** 0.5))
    sides = random.uniform(8, 24, (columns**2, 2))
    cell = np.stack(np.meshgrid(np.arange(columns), np.arange(columns)), axis=-1).reshape(-1, 2)
    corner = cell * CELL_PX + 1 + random.random(sides.shape) * (CELL_PX - 2 - sides)
    objects = torch.from_numpy(np.concatenate([corner, corner + sides], axis=1))
    labels = random.integers(0, num_classes, len(objects))
    extent = columns * CELL_PX
    tiles = tile_grid(extent, extent, TILE_PX, OVERLAP_FRAC)
    boxes, tile, owner = _views(objects, tiles, random)
    cut = interior_cuts(boxes, tile, tiles, extent, extent)
    seen = np.zeros(len(objects), dtype=np.bool_)
    seen[owner] = True
    views = {
        "boxes": boxes.numpy(),
        "scores": random.uniform(0.3, 1, len(boxes)).astype(np.float32),
        "labels": labels[owner],
        "tile": tile.numpy(),
        "cut": cut.numpy(),
        "tiles": tiles.numpy(),
    }
    return Drawn(views, labels, columns, seen)


def _views(
    objects: Tensor, tiles: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Boxes (V, 4) float32, their tiles and their objects, as a real detector would give them."""
    parts, rows, owners = [], [], []
    area = (objects[:, 2:] - objects[:, :2]).prod(dim=1)
    for number, tile in enumerate(tiles.double()):
        part = _clipped(objects, tile)
        share = (part[:, 2:] - part[:, :2]).prod(dim=1) / area
        noticed = torch.from_numpy(random.random(len(share)) < SEEN_SHARE)
        seen = torch.nonzero((share > LEAST_VISIBLE) & noticed).flatten()
        jitter = torch.from_numpy(random.normal(0, 1, (len(seen), 4)))
        parts.append(_clipped(part[seen] + jitter, tile))
        rows.append(torch.full((len(seen),), number))
        owners.append(seen)
    return torch.cat(parts).float(), torch.cat(rows), torch.cat(owners).numpy()


def _clipped(boxes: Tensor, tile: Tensor) -> Tensor:
    low, high = boxes[:, :2].clamp(tile[:2], tile[2:]), boxes[:, 2:].clamp(tile[:2], tile[2:])
    return torch.cat((low, high), dim=1)


@dataclass(frozen=True)
class Outcome:
    """What a merge in a process of its own came to; `failure` is empty if it came to an end."""

    failure: str
    s: float = 0.0
    peak_mb: float = 0.0
    doubles: int = 0
    losses: int = 0


def merged(
    python: str,
    method: str,
    settings: list[dict[str, Any]],
    drawn: Drawn,
    timeout_s: float,
    memory_gb: float,
) -> list[Outcome]:
    """Merge a drawn scene by each of the settings of a method, in one process for all."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "views.npz"
        np.savez(source, **drawn.views)
        options = [method, json.dumps(settings), source, folder, memory_gb]
        command = [python, "-m", MERGE_METHODS, *options]
        _, failure = run_limited(command, timeout_s)
        files = [Path(folder) / f"{number}.npz" for number in range(len(settings))]
        return [_outcome(file, drawn) if file.exists() else Outcome(failure) for file in files]


def _outcome(file: Path, drawn: Drawn) -> Outcome:
    with np.load(file) as found:
        mistakes = drawn.mistakes(found["boxes"], found["labels"])
        return Outcome("", float(found["s"]), float(found["peak_mb"]), *mistakes)


def main(
    *,
    boxes: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (
        1000,
        5000,
        50_000,
        200_000,
    ),
    classes: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (5, 15),
    peers: Annotated[str | None, Parameter(help="Interpreter that has the peers.")] = None,
    timeout_s: float = 120,
    memory_gb: float = 8,
) -> None:
    """Print a row for each merge and scene."""
    print(f"tiles {TILE_PX} px, overlap {OVERLAP_FRAC}; limits {timeout_s:g} s, {memory_gb:g} GB\n")
    print("| boxes | classes | merge | CPU s | times smalldet | MB | doubles | lost |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|", flush=True)
    tuned = {
        name: _best_settings(method, options, python, timeout_s, memory_gb)
        for name, method, options in MERGES
        if (python := _python(method, peers))
    }
    for num in boxes:
        for num_classes in classes:
            drawn, own_s = draw(num, num_classes), 0.0
            for name, method, _ in MERGES:
                if python := _python(method, peers):
                    settings = tuned[name]
                    (got,) = merged(python, method, [settings], drawn, timeout_s, memory_gb)
                    own_s = own_s or got.s
                    title = name + "".join(f" {v}" for k, v in settings.items() if k != "kind")
                    print(_row(drawn, num_classes, title, got, own_s), flush=True)


def _row(drawn: Drawn, num_classes: int, title: str, got: Outcome, own_s: float) -> str:
    measured = [
        f"{got.s:.3f}",
        f"{got.s / own_s:.1f}" if own_s else "",
        f"{got.peak_mb:.0f}",
        str(got.doubles),
        str(got.losses),
    ]
    cells = [got.failure, "", "", "", ""] if got.failure else measured
    return " | ".join([f"| {len(drawn.views['boxes'])}", str(num_classes), title, *cells, ""])


def _python(method: str, peers: str | None) -> str | None:
    """The interpreter that runs a method; None where there is none."""
    return sys.executable if method in ("smalldet", "torchvision") else peers


def _best_settings(
    method: str, options: list[dict[str, Any]], python: str, timeout_s: float, memory_gb: float
) -> dict[str, Any]:
    """Of several settings, those with the fewest mistakes on a scene of its own."""
    if len(options) == 1:
        return options[0]
    outcomes = merged(python, method, options, draw(TUNED_AT, 5, seed=1), timeout_s, memory_gb)
    mistakes = [float("inf") if got.failure else got.doubles + got.losses for got in outcomes]
    return options[mistakes.index(min(mistakes))]


if __name__ == "__main__":
    run(main)
