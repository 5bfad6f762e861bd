"""Oriented boxes: our families against Ultralytics' YOLO26n-obb, for equal minutes of one core.

    python -m benchmarks.accuracy.oriented_training --minutes 20 --peers PYTHON
        [--contenders speck-n yolo26n-obb-coco ...] [--core 1]

PYTHON is an interpreter with `ultralytics`. Every contender learns `hituav`, whose pictures are no
larger than a tile, for the same wall time, one after the other, on one core. The last averaged
weights find the objects of the validation pictures, and one piece of code scores them. Our families
start from ImageNet; the peer's network from its yaml, from nothing or with all weights of the
COCO checkpoint that fit. What has been trained is not trained again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.against_yolo26n import PEERS, SIZES, SIZES_PX, Words, trained
from benchmarks.accuracy.families_rows import LITE, THIN
from benchmarks.sets import labelled_set, shared_folder, tiles_per_s
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import score
from smalldet.geometry.boxes import xywh_to_xyxy
from smalldet.geometry.oriented import canonical
from smalldet.tile_models import open_tile_model

SET = "hituav"
OURS = {
    "speck-n": ("model.oriented=true",),
    "rotated-retinanet": ("--model", "rotated_retinanet", *LITE),
    "oriented-rcnn": ("--model", "oriented_rcnn", *LITE, *THIN),
}
THEIRS = {"yolo26n-obb-coco": True, "yolo26n-obb-scratch": False}
SHOWN = ("OBB_AP50", "OBB_AP", *(f"OBB_AP_{size}" for size in SIZES), "OBB_angle_error_deg", "AP")


def main(
    *,
    minutes: float = 20,
    peers: Annotated[str, Parameter(help="Python with ultralytics.")],
    contenders: Annotated[tuple[str, ...], Words] = (*OURS, *THEIRS),
    tile_px: int = 256,
    core: int | None = None,
    shared: Path | None = None,
    out: Path = Path("runs/oriented"),
) -> None:
    """Train every contender, and print what each reached.

    Args:
        tile_px: side of our training tiles; the peer learns whole pictures.
        core: that everything runs on; any if None.
    """
    root, console = shared_folder(shared), Console(width=160)
    truth = labelled_set(root, SET, "val")
    if core is not None:
        os.sched_setaffinity(0, {core})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    table = Table(title=f"{SET}, {minutes:g} minutes each", title_justify="left")
    for header in ("contender", *SHOWN, "pictures a second"):
        table.add_column(header, justify="right")
    for name in contenders:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        if not trained(folder):
            command = _command(name, root, folder, minutes, tile_px, peers)
            with (folder / "log.txt").open("wb") as log:
                subprocess.run(
                    command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=True
                )
        report, speed = _measured(folder, name, truth)
        report.write(folder / "metrics.json")
        values = [(key, report.metrics.get(key)) for key in SHOWN]
        cells = [
            "-" if value is None else f"{value if key.endswith('deg') else 100 * value:.1f}"
            for key, value in values
        ]
        table.add_row(name, *cells, f"{speed:.1f}")
    console.print(table)


def _command(
    name: str, root: Path, folder: Path, minutes: float, tile_px: int, peers: str
) -> list[str]:
    train, val = (
        str((root / "data" / SET / f"{part}.json").resolve()) for part in ("train", "val")
    )
    if name in OURS:
        return [
            sys.executable, "-m", "smalldet.cli", "train", train, *OURS[name],
            f"data.tile_px={tile_px}", "data.predict_tile_px=640", f"training.minutes={minutes}",
            "training.epochs=100000", "training.batch_size=16", "training.num_workers=0",
            "training.start=imagenet", "--out", str(folder / "run"),
        ]  # fmt: skip
    coco = root / "weights" / "yolo26n-coco-pt" / "yolo26n.pt"
    weights = ["--weights", str(coco)] if THEIRS[name] else []
    return [
        peers, str(PEERS / "ultralytics_training.py"), train, val, "--obb", "--start",
        "yolo26n-obb.yaml", *weights, "--minutes", str(minutes), "--out", str(folder),
        "--batch", "16", "--workers", "0",
    ]  # fmt: skip


def _measured(folder: Path, name: str, truth: Index) -> tuple[Report, float]:
    """Score of a contender's last averaged weights, and pictures a second of its training."""
    if name in OURS:
        model = open_tile_model(folder / "run" / "last.safetensors", backend="torch")
        report = evaluate(model, truth, EvaluateOptions(sizes=SIZES_PX))
        return report, tiles_per_s(folder / "run")
    rows = json.loads((folder / "detections.json").read_text())
    speed = json.loads((folder / "speed.json").read_text())["pictures_per_s"]
    return score(truth, found_by_peer(rows, truth), sizes=SIZES_PX), speed


def found_by_peer(rows: list[dict[str, object]], truth: Index) -> list[Detections]:
    """A peer's rows as detections of each picture; negative sides, which it gives, count as 0."""
    names = truth.class_names
    picture = torch.tensor([row["image_id"] for row in rows])
    boxes = xywh_to_xyxy(torch.tensor([row["bbox"] for row in rows], dtype=torch.float32))
    rboxes = torch.tensor([row["rbbox"] for row in rows], dtype=torch.float32)
    rboxes[:, 2:4].clamp_(min=0)
    rboxes = canonical(rboxes)
    scores = torch.tensor([row["score"] for row in rows], dtype=torch.float32)
    labels = torch.tensor([names.index(str(row["category"])) for row in rows])
    return [
        Detections(boxes[mine], scores[mine], labels[mine], names, rboxes=rboxes[mine])
        for record in truth.records
        for mine in [picture == record.image_id]
    ]


if __name__ == "__main__":
    run(main)
