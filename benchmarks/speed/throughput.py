"""Megapixels a second from a file to its written result, and what the scout costs in recall.

    python -m benchmarks.speed.throughput [--peers PYTHON] [--device auto] [--side 10000]
        [--model FILE.pt]

Three scenes: the real car photograph, and drawn plains of `--side` pixels, dense (covered with
patches of the demo's scene) and sparse (a few of them). Each pipeline finds the same scene with the
same detector, tile and overlap, in a process of its own, after a first small prediction; the time
does not hold the loading of the model. CPU seconds tell pipelines apart where other work disturbs
the clock. AP is COCO's over the drawn truth, of the classes that truth and detector have in common;
`share` is the part of the detections of the first run that a run finds again at IoU 0.5 with the
same class.

The peer is SAHI 0.12.8 at its default merge and, if faster, NMS; PYTHON is an interpreter with
`sahi==0.12.8` and smalldet. It gets the precision, memory layout and allocator that smalldet's
predictor takes, smalldet's detector with its norms folded, and batches; `float32` is without
autocast, as SAHI computes unless its caller sees to more. With `--model FILE.pt`, an Ultralytics
checkpoint, all run by PYTHON, which must have `ultralytics` too: SAHI by its own adapter, smalldet
by `peers/ultralytics_detector.py`.

Rows "as it comes" are what a person gets who changes nothing but the side and overlap of tiles:
smalldet in the runtime that it takes by itself, and SAHI by its own adapter with the checkpoint
`--as-it-comes FILE`, a `.pt` of Ultralytics or what Ultralytics exported it to; name it several
times. Its classes are COCO's: an AP beside smalldet's tells of the models, not of the pipelines.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter, run
from PIL import Image

from benchmarks.sets import shared_folder
from benchmarks.speed.pipeline_rows import Outcome, run_pipeline
from benchmarks.speed.scenes import PATCH_PX, draw_patches, draw_sparse_scene
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.scoring import score
from smalldet.geometry.boxes import xywh_to_xyxy
from smalldet.geometry.overlaps import iou, pairwise

PHOTO = "data/large_aerial_car_photo"
SAHI = {"postprocess_match_threshold": 0.5}
NMS = {"postprocess_type": "NMS", "postprocess_match_metric": "IOU"}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "smalldet": ("smalldet", {}),
    "smalldet, scout": ("smalldet", {"scout": True}),
    "SAHI GREEDYNMM": ("sahi", SAHI | {"postprocess_type": "GREEDYNMM"}),
    "SAHI NMS": ("sahi", SAHI | NMS),
    "SAHI NMS, float32": ("sahi", SAHI | NMS | {"float32": True}),
    "smalldet as it comes": ("smalldet", {"backend": "auto"}),
    "smalldet as it comes, scout": ("smalldet", {"backend": "auto", "scout": True}),
}


def main(
    *,
    side: Annotated[int, Parameter(help="Of the drawn scenes.")] = 10000,
    num_patches: int = 9,
    model: str = "speck-n-aerial",
    tile_px: Annotated[int, Parameter(name="--tile")] = 640,
    overlap_frac: Annotated[float, Parameter(name="--overlap")] = 0.2,
    conf: Annotated[float | None, Parameter(help="Least score; default: the model's.")] = None,
    batch_size: Annotated[int | None, Parameter(help="SAHI's; smalldet takes its own.")] = 4,
    device: str = "auto",
    only: Annotated[
        tuple[str, ...], Parameter(help="photo, dense, sparse.", consume_multiple=True)
    ] = ("photo", "dense", "sparse"),
    runs: Annotated[
        tuple[str, ...], Parameter(help="Rows of each scene.", consume_multiple=True)
    ] = tuple(RUNS),
    as_it_comes: Annotated[
        tuple[str, ...], Parameter(help="Checkpoints for SAHI as it comes.", consume_multiple=True)
    ] = (),
    peers: Annotated[str | None, Parameter(help="An interpreter with SAHI and smalldet.")] = None,
    memory_gb: float = 12.0,
    limit_s: float = 3600.0,
    shared: Path | None = None,
    folder: Annotated[Path | None, Parameter(help="For the drawn scenes; kept.")] = None,
) -> None:
    """Print a row for each scene and pipeline as it finishes."""
    print(
        "| scene | pipeline | MP/s | CPU s | AP | share | tiles | objects | peak MB |", flush=True
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    of_peers = model.endswith(".pt")
    if of_peers and peers is None:
        raise SystemExit("an Ultralytics checkpoint needs --peers")
    settings = {
        "model": model, "device": device, "tile_px": tile_px, "overlap_frac": overlap_frac,
        "conf": conf,
        "no_gsd_match": True,  # the scenes have a place, and the peer does not know of scales
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        for name, source, truth in _scenes(place, side, num_patches, only, shared):
            reference: Detections | None = None
            plain = {
                f"SAHI as it comes, {Path(file).name}": ("sahi as it comes", {"model": file})
                for file in as_it_comes
            }
            rows: dict[str, tuple[str, dict[str, Any]]] = {run: RUNS[run] for run in runs} | plain
            for title, (pipeline, options) in rows.items():
                theirs = pipeline != "smalldet"
                if theirs and peers is None:
                    continue
                extra = {"batch_size": batch_size} if pipeline == "sahi" else {}
                out = place / "found.json"
                outcome = run_pipeline(
                    (peers or "") if theirs or of_peers else sys.executable,
                    pipeline, settings | options | extra, source, out,
                    memory_gb=memory_gb, limit_s=limit_s,
                )  # fmt: skip
                found = None if outcome.failure else _read(out)
                reference = reference or found
                _say(name, title, source, outcome, found, reference, truth)


def _scenes(
    place: Path, side: int, num_patches: int, only: tuple[str, ...], shared: Path | None
) -> list[tuple[str, Path, Index | None]]:
    """Name, file and truth (None for the photograph, of which only a few cars are labelled)."""
    scenes: list[tuple[str, Path, Index | None]] = []
    if "photo" in only:
        photo = next((shared_folder(shared) / PHOTO / "images").iterdir())
        scenes.append(("photo", photo, None))
    if {"dense", "sparse"} & set(only):
        patches = draw_patches(place)
        for name, num in (("dense", (side // PATCH_PX) ** 2), ("sparse", num_patches)):
            if name in only:
                path = place / f"{name}{side}.tif"
                truth = draw_sparse_scene(path, patches, side, side, num_patches=num)
                scenes.append((name, path, truth))
    return scenes


def _read(path: Path) -> Detections:
    """COCO annotations with scores."""
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = content["annotations"]
    boxes = torch.tensor([row["bbox"] for row in rows], dtype=torch.float32).reshape(-1, 4)
    return Detections(
        xywh_to_xyxy(boxes),
        torch.tensor([row["score"] for row in rows], dtype=torch.float32),
        torch.tensor([row["category_id"] - 1 for row in rows], dtype=torch.long),
        tuple(category["name"] for category in content["categories"]),
    )


def _precision(truth: Index, found: Detections) -> float:
    """AP in points, over the classes that the truth and the detector both have."""
    report = score(truth, [found], max_detections=max(1, len(found)))
    return 100 * (report.metrics["AP"] or 0)


def _say(
    name: str,
    title: str,
    source: Path,
    outcome: Outcome,
    found: Detections | None,
    reference: Detections | None,
    truth: Index | None,
) -> None:
    if found is None or reference is None:
        print(f"| {name} | {title} | {outcome.failure} | | | | | | |", flush=True)
        return
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(source) as picture:
        megapixels = picture.width * picture.height / 1e6
    figures = outcome.figures
    tiles = f"{figures['visited']:.0f} of {figures['tiles']:.0f}" if "tiles" in figures else "all"
    precision = "" if truth is None else f"{_precision(truth, found):.2f}"
    print(
        f"| {name}, {megapixels:.0f} MP | {title} | {megapixels / figures['seconds']:.2f} "
        f"| {figures['cpu_s']:.1f} "
        f"| {precision} | {100 * share_found(reference, found):.1f} % | {tiles} | {len(found)} "
        f"| {figures['peak_mb']:,.0f} |",
        flush=True,
    )


def share_found(reference: Detections, found: Detections, iou_threshold: float = 0.5) -> float:
    """Part of the reference that lies among the found at the IoU, in the same class."""
    if len(reference) == 0:
        return 1.0
    if len(found) == 0:
        return 0.0
    alike = pairwise(iou, reference.boxes, found.boxes)
    alike[reference.labels[:, None] != found.labels] = 0
    return float((alike.amax(dim=1) >= iou_threshold).float().mean())


if __name__ == "__main__":
    run(main)
