"""Tiles a second of training: Speck-n against Ultralytics' YOLO26n, loader and step apart.

    python -m benchmarks.speed.training [--peers PYTHON] [--batch 16] [--workers 2]

Tiles of 640 px from the first pictures of `hituav`, with each one's own augmentation, mosaic among
it, all pictures in memory. `loader` is what comes out of the DataLoader when nothing else runs,
`step` what forward, loss, backward, clipping, optimiser and moving average take in when all batches
are ready, `trained` both together. The peer's trainer is timed twice: as it comes, and with
bfloat16, channels last and the allocator's setting that smalldet gives itself. PYTHON is an
interpreter with `ultralytics`; without it only smalldet is measured. Then follows what our step and
our tiles are made of. Each is measured in a process of its own, one after the other.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter, run

from benchmarks.limited import run_limited
from benchmarks.sets import shared_folder

PEERS = Path(__file__).resolve().parents[1] / "peers"


def main(
    *,
    peers: Annotated[str | None, Parameter(help="Python with ultralytics.")] = None,
    batch: int = 16,
    workers: int = 2,
    steps: int = 4,
    tile_batches: Annotated[int, Parameter(help="Timed out of the loader.")] = 40,
    warm_batches: Annotated[int, Parameter(help="Drawn before, so that all is decoded.")] = 60,
    pictures: int = 400,
    cpu_clock: Annotated[
        bool, Parameter(help="CPU seconds of one process, for a busy machine.")
    ] = False,
    limit_s: float = 1200.0,
    shared: Path | None = None,
) -> None:
    """Print a table of speeds, and one of shares."""
    root = shared_folder(shared)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {batch}\n")
    print("| | loader | step | trained |\n|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first_pictures(root / "data" / "hituav", pictures, folder / "train.json")
        options: list[object] = ["--batch", batch, "--steps", steps]
        options += ["--tile-batches", tile_batches, "--warm-batches", warm_batches]
        # the time of workers would not be counted by the processor's clock
        options += ["--workers", 0, "--cpu-clock"] if cpu_clock else ["--workers", workers]
        ours, wrong = run_limited(
            [sys.executable, "-m", "benchmarks.speed.training_ours", folder, *options], limit_s
        )
        said = read(ours, wrong)
        show(f"Speck-n, {said['precision']}", said["loader"], said["step"], said["trained"])
        if peers is not None:
            start = root / "weights" / "yolo26n-coco-pt" / "yolo26n.pt"
            command = [peers, PEERS / "ultralytics_speed.py", folder / "train.json"]
            theirs, wrong = run_limited(
                [*command, "--start", start, "--out", folder / "peer", *options], limit_s
            )
            peer = read(theirs, wrong)
            for way, speed in peer["step"].items():
                show(f"YOLO26n, {way}", peer["loader"], speed, peer["trained"][way])
    for part in ("step parts", "tile parts"):
        rows = sorted(said[part].items(), key=lambda row: -row[1])
        print(f"\n{part}: " + ", ".join(f"{label} {share:.1%}" for label, share in rows))


def first_pictures(source: Path, number: int, path: Path) -> None:
    """A set's first pictures as a COCO json of their own."""
    content = json.loads((source / "train.json").read_text(encoding="utf-8"))
    images = content["images"][:number]
    for image in images:
        image["file_name"] = str(source.resolve() / "images" / image["file_name"])
    kept = {image["id"] for image in images}
    rows = [row for row in content["annotations"] if row["image_id"] in kept]
    path.write_text(json.dumps({**content, "images": images, "annotations": rows}))


def read(said: str, wrong: str) -> dict[str, Any]:
    """The JSON of a measurement's last line."""
    if wrong:
        raise SystemExit(f"a measurement failed: {wrong}")
    return json.loads(said.splitlines()[-1])


def show(who: str, *speeds: float) -> None:
    print(f"| {who} | " + " | ".join(f"{speed:.1f}" for speed in speeds) + " |", flush=True)


if __name__ == "__main__":
    run(main)
