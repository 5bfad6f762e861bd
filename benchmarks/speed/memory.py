"""Peak memory of prediction as the scene grows in height, tiled and striped.

    python -m benchmarks.speed.memory [--heights 10000 20000 30000] [--width 30000]
        [--peers PYTHON]

Each scene is a drawn plain with patches of the demo's ground, one for every `--rows-per-patch`
rows, and no data between them: every tile is read, and the detector sees those with data. Memory
is that of the whole process, the model and its libraries (`ready`) included, which a first small
prediction has already warmed up.

The peer is SAHI 0.12.8 with the same detector; PYTHON is an interpreter with `sahi==0.12.8` and
smalldet.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, run

from benchmarks.speed.pipeline_rows import Outcome, run_pipeline
from benchmarks.speed.scenes import draw_patches, draw_sparse_scene


def main(
    *,
    heights: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (10000, 20000, 30000),
    layouts: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ("tiled", "striped"),
    width: int = 30000,
    rows_per_patch: int = 2500,
    model: str = "speck-n-aerial",
    tile_px: Annotated[int, Parameter(name="--tile")] = 640,
    device: str = "cpu",
    peers: Annotated[str | None, Parameter(help="An interpreter with SAHI and smalldet.")] = None,
    memory_gb: Annotated[float, Parameter(help="What a process may take.")] = 8.0,
    limit_s: float = 3600.0,
    folder: Annotated[Path | None, Parameter(help="For the drawn scenes; kept.")] = None,
) -> None:
    """Print a row for each scene and pipeline as it finishes."""
    print("| scene | layout | pipeline | ready MB | peak MB | seconds |", flush=True)
    print("|---|---|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        patches = draw_patches(place)
        for height in heights:
            for layout in layouts:
                scene = place / f"{width}x{height}-{layout}.tif"
                if not scene.exists():
                    draw_sparse_scene(
                        scene, patches, width, height,
                        num_patches=max(1, height // rows_per_patch),
                        tiled=layout == "tiled", empty=True,
                    )  # fmt: skip
                runs = [(sys.executable, "smalldet")] + ([(peers, "sahi")] if peers else [])
                for python, name in runs:
                    settings = {
                        "model": model, "device": device, "tile_px": tile_px, "overlap_frac": 0.2
                    }  # fmt: skip
                    outcome = run_pipeline(
                        python, name, settings, scene, place / f"{name}.json",
                        memory_gb=memory_gb, limit_s=limit_s,
                    )  # fmt: skip
                    _say(f"{width} x {height}", layout, name, outcome)


def _say(scene: str, layout: str, name: str, outcome: Outcome) -> None:
    if outcome.failure:
        cells = f"{outcome.failure} | | "
    else:
        figures = outcome.figures
        cells = " | ".join(f"{figures[key]:,.0f}" for key in ("ready_mb", "peak_mb", "seconds"))
    print(f"| {scene} | {layout} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    run(main)
