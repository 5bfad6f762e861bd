"""Speck-n against Ultralytics' YOLO26n: the same pictures, minutes, machine and scoring.

    python -m benchmarks.accuracy.against_yolo26n --minutes 60 --peers PYTHON
        [--sets hituav irst_tiny ...] [--seeds 3] [--start hituav=FILE ...]

PYTHON is an interpreter with `ultralytics`. Every contender trains for the same wall time on tiles
of 640 px at full resolution, its averaged weights of the last step find the objects of the
validation pictures, and one piece of code scores them. Pictures larger than a tile are cut for the
peer, whose own way is to shrink them, and its detections are merged as ours are. Speck-n starts
from ImageNet; `speck-n-from-model` from an embedded model that has seen nothing of the set, or what
`--start` names (`benchmarks.accuracy.unseen_start` makes some). `--speck` changes the recipe of
both. With `--at-once` all contenders share the machine; otherwise they run one after the other.
What has been trained is not trained again. With several seeds figures are means, and the last
column says from where to where AP goes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import Parameter, run
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.sets import labelled_set, shared_folder, tiles_per_s
from smalldet.data.index import ImageRecord, Index
from smalldet.data.parts_in_view import View
from smalldet.data.windows import Window, labels_in
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import score
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from smalldet.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh
from smalldet.geometry.merge import merge_tiles
from smalldet.geometry.tiles import interior_cuts, tile_grid
from smalldet.imagery import open_scene
from smalldet.tile_models import open_tile_model

PEERS = Path(__file__).resolve().parents[1] / "peers"
TILE_PX = 640
OVERLAP_FRAC = 0.2
MIN_VISIBLE_FRAC = 0.3
# Has seen nothing of the set; hituav stands at the beginning of all embedded models.
OTHER_MODEL = {"irst_tiny": "speck-n-thermal", "aerial_airport": "speck-n-thermal"}
# `under_16` is both of the smallest ranges together, where one of them has few objects.
SIZES_PX = {**SIZE_RANGES_PX, "under_16": (0.0, 16.0)}
SIZES = ("under_16", "very_tiny", "tiny", "small", "medium", "large")
SHOWN = ("AP", "AP50", "AP75", *(f"AP_{size}" for size in SIZES), "best_F1")

Contender = Literal["speck-n", "speck-n-from-model", "yolo26n-coco", "yolo26n-scratch"]
DEFAULT_CONTENDERS: tuple[Contender, ...] = ("speck-n", "yolo26n-coco", "yolo26n-scratch")
Words = Parameter(consume_multiple=True)


@dataclass(frozen=True)
class Cut:
    """A part of a set as tiles on disk: their COCO json, and where each came from."""

    annotations: Path
    truth: Index
    pictures: list[int]
    windows: torch.Tensor


def main(
    *,
    minutes: float = 60,
    peers: Annotated[str, Parameter(help="Python with ultralytics.")],
    sets: Annotated[tuple[str, ...], Words] = ("hituav", "irst_tiny", "aerial_airport"),
    contenders: Annotated[tuple[Contender, ...], Words] = DEFAULT_CONTENDERS,
    at_once: bool = False,
    batch: int = 16,
    workers: int = 2,
    speck: Annotated[tuple[str, ...], Words] = (),
    start: Annotated[tuple[str, ...], Words] = (),
    seeds: int = 1,
    shared: Path | None = None,
    out: Path = Path("runs/accuracy"),
) -> None:
    """Train every contender on every set, and print what each reached.

    Args:
        speck: changes of Speck's recipe, as `data.tile_px=256`.
        start: of `speck-n-from-model`, a name or file for all sets, or `SET=NAME`.
    """
    other = {name: OTHER_MODEL.get(name) for name in sets}
    for text in start:
        of, _, model = text.rpartition("=")
        other |= dict.fromkeys([of] if of else sets, model)
    if "speck-n-from-model" in contenders and (unseen := [n for n in sets if not other[n]]):
        raise SystemExit(f"{unseen}: every embedded model has seen it; name another with --start")
    root, console = shared_folder(shared), Console(width=140)
    table = Table(title=f"{minutes:g} minutes each", title_justify="left")
    for header in ("set", "contender", *SHOWN, "pictures a second", "AP, least to most"):
        table.add_column(header, justify="right")
    commands: dict[tuple[str, str, str], list[str]] = {}
    vals: dict[str, Cut] = {}
    for name in sets:
        train = cut(labelled_set(root, name, "train"), out / name / "train")
        vals[name] = cut(labelled_set(root, name, "val"), out / name / "val")
        for seed, contender in product(range(seeds), contenders):
            folder = out / name / contender / str(seed)
            if contender.startswith("speck-n"):
                source = root / "data" / name / "train.json"
                begin = "imagenet" if contender == "speck-n" else str(other[name])
                changes = (*speck, f"training.seed={seed}")
                command = speck_command(source, folder, minutes, batch, workers, begin, changes)
            else:
                coco = root / "weights" / "yolo26n-coco-pt" / "yolo26n.pt"
                command = [
                    peers, str(PEERS / "ultralytics_training.py"),
                    str(train.annotations), str(vals[name].annotations),
                    "--start", str(coco) if contender == "yolo26n-coco" else "yolo26n.yaml",
                    "--minutes", str(minutes), "--out", str(folder), "--batch", str(batch),
                    "--workers", str(workers), "--seed", str(seed),
                ]  # fmt: skip
            commands[name, contender, str(seed)] = command
    missing = {key: run for key, run in commands.items() if not trained(out.joinpath(*key))}
    run_all(missing, out, at_once)
    for name, contender in product(sets, contenders):
        folders = [out / name / contender / str(seed) for seed in range(seeds)]
        try:
            runs = [measured(folder, contender, vals[name]) for folder in folders]
        except OSError as error:
            table.add_row(name, contender, f"failed: {error}")
            continue
        for folder, (report, _) in zip(folders, runs, strict=True):
            report.write(folder / "metrics.json")
        table.add_row(name, contender, *_cells(runs))
    console.print(table)


def _cells(runs: Sequence[tuple[Report, float]]) -> list[str]:
    """Means over the seeds, and from where to where AP goes."""
    cells = []
    for key in SHOWN:
        values = [report.metrics[key] for report, _ in runs]
        known = [100 * value for value in values if value is not None]
        cells.append(f"{statistics.mean(known):.1f}" if known else "-")
    aps = [100 * (report.metrics["AP"] or 0) for report, _ in runs]
    speed = statistics.mean(speed for _, speed in runs)
    return [*cells, f"{speed:.1f}", f"{min(aps):.1f} to {max(aps):.1f}"]


def speck_command(
    annotations: Path,
    folder: Path,
    minutes: float,
    batch: int,
    workers: int,
    start: str,
    changes: tuple[str, ...],
) -> list[str]:
    """`smalldet train` on a set."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "accuracy.json"  # JSON is YAML
    content = {
        "data": {
            "train": [{"annotations": str(annotations.resolve())}],
            "tile_px": TILE_PX,
            "predict_tile_px": TILE_PX,
        },
        "training": {
            "epochs": 100_000,
            "minutes": minutes,
            "batch_size": batch,
            "num_workers": workers,
            "start": start,
        },
    }
    recipe.write_text(json.dumps(content))
    run_folder = str(folder / "run")
    verb = [sys.executable, "-m", "smalldet.cli", "train"]
    return [*verb, str(recipe), *changes, "--out", run_folder]


def run_all(commands: dict[tuple[str, str, str], list[str]], out: Path, at_once: bool) -> None:
    """Run the trainings, each with its log beside its folder."""
    running: list[subprocess.Popen[bytes]] = []
    for key, command in commands.items():
        folder = out.joinpath(*key)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "output.log").open("wb") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        if not at_once:
            running[-1].wait()
    for process in running:
        process.wait()


def trained(folder: Path) -> bool:
    """Whether a contender's training ended here."""
    ends = (folder / "detections.json", folder / "run" / "summary.txt")
    return any(end.exists() for end in ends)


def measured(folder: Path, contender: str, val: Cut) -> tuple[Report, float]:
    """Score of a contender's last averaged weights, and tiles a second of its training."""
    if contender.startswith("speck-n"):
        model = open_tile_model(folder / "run" / "last.safetensors")
        report = evaluate(model, val.truth, EvaluateOptions(sizes=SIZES_PX))
        return report, tiles_per_s(folder / "run")
    rows = json.loads((folder / "detections.json").read_text())
    speed = json.loads((folder / "speed.json").read_text())["pictures_per_s"]
    return score(val.truth, merged(rows, val), sizes=SIZES_PX), speed


def cut(index: Index, folder: Path) -> Cut:
    """Write the tiles of pictures larger than one, as PNG; smaller pictures stand as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations, pictures, windows = [], [], [], []
    for row, record in enumerate(index.records):
        grid = tile_grid(record.width, record.height, TILE_PX, OVERLAP_FRAC)
        pixels = None
        for window in grid.tolist():
            path = record.path.resolve()
            if len(grid) > 1:
                if pixels is None:
                    with open_scene(record.path) as scene:
                        pixels = scene.read((0, 0, record.width, record.height))
                path = folder.resolve() / f"{row}_{window[0]}_{window[1]}.png"
                x1, y1, x2, y2 = window
                Image.fromarray(pixels[:, y1:y2, x1:x2].transpose(1, 2, 0)).save(path)
            width, height = window[2] - window[0], window[3] - window[1]
            number = len(images) + 1
            images.append({"id": number, "file_name": str(path), "width": width, "height": height})
            annotations += [
                {"id": len(annotations) + i + 1, "image_id": number, **entry}
                for i, entry in enumerate(visible(record, tuple(window), len(index.class_names)))
            ]
            pictures.append(row)
            windows.append(window)
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(index.class_names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "tiles.json"
    path.write_text(json.dumps(content))
    return Cut(path, index, pictures, torch.tensor(windows))


def visible(record: ImageRecord, window: Window, num_classes: int) -> list[dict[str, object]]:
    """Annotations of a window: objects of which enough can be seen, as our training sees them."""
    size = (window[2] - window[0], window[3] - window[1])
    view = View(window, size)
    target = labels_in(record, view, num_classes, min_visible_frac=MIN_VISIBLE_FRAC)
    rows = xyxy_to_xywh(target.boxes)
    return [
        {"bbox": box, "area": box[2] * box[3], "category_id": label + 1, "iscrowd": 0}
        for box, label in zip(rows.tolist(), target.labels.tolist(), strict=True)
    ]


def merged(rows: list[dict[str, object]], val: Cut) -> list[Detections]:
    """A peer's detections in tiles as detections of whole pictures."""
    names = val.truth.class_names
    tile = torch.tensor([row["image_id"] for row in rows], dtype=torch.long) - 1
    boxes = torch.tensor([row["bbox"] for row in rows], dtype=torch.float32).reshape(-1, 4)
    boxes = xywh_to_xyxy(boxes)
    scores = torch.tensor([row["score"] for row in rows], dtype=torch.float32)
    labels = torch.tensor([names.index(str(row["category"])) for row in rows], dtype=torch.long)
    picture_of_tile = torch.tensor(val.pictures)
    found = []
    for number, record in enumerate(val.truth.records):
        tiles = torch.nonzero(picture_of_tile == number).flatten()
        mine = torch.isin(tile, tiles)
        own = torch.searchsorted(tiles, tile[mine])
        windows = val.windows[tiles]
        shifted = boxes[mine] + windows[own][:, [0, 1, 0, 1]]
        if len(tiles) == 1:
            found.append(Detections(shifted, scores[mine], labels[mine], names))
            continue
        cuts = interior_cuts(shifted, own, windows, record.width, record.height)
        found.append(
            merge_tiles(
                TileDetections(shifted, scores[mine], labels[mine], own, cuts, windows, names)
            )
        )
    return found


if __name__ == "__main__":
    run(main)
