"""What tiling and merging cost: AP of merged tiles against whole pictures.

    python -m benchmarks.accuracy.tiles_against_whole [--tile 128 256 512] [--overlap 0.2]
        [--pictures N] [--sets hituav aerial_cars] [--merges tiles nms sahi_greedynmm]
        [--sahi-python PYTHON]

The same model sees each picture whole, and in tiles. The tiles are predicted once; then each merge
makes objects of what was found in them. A merge that doubles or loses objects at seams shows as a
fall of AP. What the detector loses because it sees less around an object is told apart by the
rows `cut from the whole`: detections of the whole picture, cut as the tiles would cut them, and
merged. Rows of a markdown table are printed as they are measured. SAHI's merges run by an
interpreter that has it, in a process of their own:

    uv venv peers && uv pip install --python peers sahi==0.12.8 numba
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter, run

from benchmarks.limited import run_limited
from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.scoring import score
from smalldet.geometry.boxes import box_areas
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.tiles import interior_cuts
from smalldet.imagery import open_scene
from smalldet.inference.options import PredictOptions
from smalldet.inference.predictor import Predictor
from smalldet.tile_models import TileModel, open_tile_model

# set, model, {class of the model: class of the data}
PASSES = [
    ("hituav", "speck-n-thermal", {}),
    ("aerial_cars", "speck-n-aerial", {"minibus": "bus"}),
    ("aerial_airport", "speck-n-aerial", {}),
    (
        "dota_mini_obb",
        "speck-n-aerial",
        {"airplane": "plane", "car": "small-vehicle"},
    ),
]
MIN_VISIBLE_FRAC = 0.3  # of an object, in a tile that reports it; as in training
# By SAHI's own defaults, but for classes, which it would mix
MERGE_METHODS = "benchmarks.peers.merge_methods"
SAHI = {
    "sahi_greedynmm": {"kind": "GREEDYNMM", "metric": "IOS", "threshold": 0.5},
    "sahi_nms": {"kind": "NMS", "metric": "IOU", "threshold": 0.5},
}

Numbers = Annotated[tuple[int, ...], Parameter(name="--tile", consume_multiple=True)]
Shares = Annotated[tuple[float, ...], Parameter(name="--overlap", consume_multiple=True)]
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]


def main(
    *,
    tile_px: Numbers = (256,),
    overlap_frac: Shares = (0.2,),
    merges: Names = ("tiles",),
    sets: Names = tuple(name for name, _, _ in PASSES),
    pictures: Annotated[int | None, Parameter(help="Of each set, evenly spread.")] = None,
    conf: Annotated[float, Parameter(help="Least score of what the merges are given.")] = 0.01,
    sahi_python: Annotated[str | None, Parameter(help="Interpreter that has SAHI.")] = None,
    timeout_s: Annotated[float, Parameter(help="Limit for SAHI on all pictures of a set.")] = 600,
    shared: Path | None = None,
    device: str = "auto",
) -> None:
    """Print AP of whole pictures, of merged tiles, and the difference in points."""
    _check(merges, sets, sahi_python)
    root = shared_folder(shared)
    print("| set | tile | overlap | merge | AP | AP50 | AR | AP change | AP of classes |")
    print("|---|---:|---:|---|---:|---:|---:|---:|---|", flush=True)
    for name, model, mapping in PASSES:
        if name not in sets:
            continue
        truth = labelled_set(root, name, "val").spread(pictures)
        tile_model = open_tile_model(model, device=device, backend="torch")
        whole_picture = PredictOptions(conf=conf, whole=True)
        whole = [seen.as_detections() for seen in predicted(tile_model, truth, whole_picture)]
        title = f"{name} ({len(truth)})"
        whole_ap = _print_row([title, "whole", "", ""], truth, whole, mapping, None)
        for side in tile_px:
            for overlap in overlap_frac:
                options = PredictOptions(conf=conf, tile_px=side, overlap_frac=overlap)
                tiles = predicted(tile_model, truth, options)
                cells = [title, f"{side} px", f"{overlap:g}"]
                cut = [
                    MERGES["tiles"](_cut_as_by(seen_in_tiles, seen_whole, record))
                    for seen_in_tiles, seen_whole, record in zip(
                        tiles, whole, truth.records, strict=True
                    )
                ]
                _print_row([*cells, "tiles, cut from the whole"], truth, cut, mapping, whole_ap)
                for merge in merges:
                    if merge in MERGES:
                        found = [MERGES[merge](one) for one in tiles]
                    else:
                        assert sahi_python is not None
                        found = _merged_by_sahi(sahi_python, merge, tiles, timeout_s)
                    _print_row([*cells, merge], truth, found, mapping, whole_ap)


def _check(merges: Sequence[str], sets: Sequence[str], sahi_python: str | None) -> None:
    if wrong := [merge for merge in merges if merge not in MERGES and merge not in SAHI]:
        raise SystemExit(f"no merges {wrong}; there are {[*MERGES, *SAHI]}")
    if wrong := [name for name in sets if name not in {name for name, _, _ in PASSES}]:
        raise SystemExit(f"no sets {wrong}; there are {[name for name, _, _ in PASSES]}")
    if sahi_python is None and any(merge in SAHI for merge in merges):
        raise SystemExit("SAHI's merges need --sahi-python, an interpreter that has SAHI")


def predicted(model: TileModel, truth: Index, options: PredictOptions) -> list[TileDetections]:
    """What is found in the tiles of each picture."""
    predictor = Predictor(model, options)
    detections: list[TileDetections] = []
    for record in truth.records:
        with open_scene(record.path, predictor.usual_bands) as scene:
            detections.append(predictor.predict_tiles(scene))
    return detections


def _cut_as_by(
    seen_in_tiles: TileDetections, seen_whole: Detections, record: ImageRecord
) -> TileDetections:
    """Detections of a whole picture as its tiles would have reported them: clipped to each tile."""
    tiles = seen_in_tiles.tiles
    clipped = seen_whole.boxes[:, None].repeat(1, len(tiles), 1)
    windows = tiles.to(clipped)
    clipped[..., :2] = clipped[..., :2].clamp(windows[:, :2], windows[:, 2:])
    clipped[..., 2:] = clipped[..., 2:].clamp(windows[:, :2], windows[:, 2:])
    visible = (clipped[..., 2:] - clipped[..., :2]).prod(dim=2)
    box, tile = (visible >= MIN_VISIBLE_FRAC * box_areas(seen_whole.boxes)[:, None]).nonzero(
        as_tuple=True
    )
    boxes = clipped[box, tile]
    return TileDetections(
        boxes,
        seen_whole.scores[box],
        seen_whole.labels[box],
        tile,
        interior_cuts(boxes, tile, tiles, record.width, record.height),
        tiles,
        seen_whole.class_names,
    )


def _merged_by_sahi(
    python: str, merge: str, tiles: Sequence[TileDetections], timeout_s: float
) -> list[Detections] | str:
    """What SAHI makes of each picture's tiles; or what went wrong, in words."""
    # A class for each class of each picture: SAHI goes through classes one by one.
    names = tiles[0].class_names
    labels = [one.labels + picture * len(names) for picture, one in enumerate(tiles)]
    views = {
        "boxes": torch.cat([one.boxes for one in tiles]).numpy(),
        "scores": torch.cat([one.scores for one in tiles]).numpy(),
        "labels": torch.cat(labels).numpy(),
    }
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "views.npz"
        np.savez(source, **views)
        settings = json.dumps([SAHI[merge]])
        command = [python, "-m", MERGE_METHODS, "sahi", settings, source, folder, 16]
        _, failure = run_limited(command, timeout_s)
        if failure:
            return failure
        with np.load(Path(folder) / "0.npz") as arrays:
            boxes, scores, labels = (
                torch.from_numpy(arrays[k]) for k in ("boxes", "scores", "labels")
            )
    picture, label = labels // len(names), labels % len(names)
    merged = Detections(boxes, scores, label, names)
    return [merged[picture == number] for number in range(len(tiles))]


def _print_row(
    cells: list[str],
    truth: Index,
    found: list[Detections] | str,
    mapping: dict[str, str],
    whole_ap: float | None,
) -> float:
    """Print what was measured and return the AP in points."""
    if isinstance(found, str):
        print("| " + " | ".join([*cells, found, "", "", "", ""]) + " |", flush=True)
        return 0.0
    report = score(truth, found, mapping=mapping)
    ap, ap50, ar = (100 * (report.metrics[key] or 0) for key in ("AP", "AP50", "AR"))
    change = "" if whole_ap is None else f"{ap - whole_ap:+.2f}"
    classes = ", ".join(
        f"{name} {100 * row['AP']:.1f}"
        for name, row in report.per_class.items()
        if row["AP"] is not None
    )
    row = [*cells, f"{ap:.2f}", f"{ap50:.2f}", f"{ar:.2f}", change, classes]
    print("| " + " | ".join(row) + " |", flush=True)
    return ap


if __name__ == "__main__":
    run(main)
