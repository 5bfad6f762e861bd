"""What tiling and merging cost oriented boxes: their AP of merged tiles against whole pictures.

    python -m benchmarks.accuracy.oriented_tiles [--model FILE] [--sets hituav dota_mini_obb]
        [--tile 256] [--overlap 0.2] [--pictures N] [--peers PYTHON]

Every merge is given the same detections of the same tiles. They are a model's, or without one those
of a made-up detector: truth as the tiles show it, jittered (`simulated_tiles.py`), with cut objects
as pieces in their own direction and as the smallest rectangles round what is visible. Rows of a
markdown table are printed as they are measured. Doubles are detections of score 0.25 and more on an
object (IoU 0.5) that has a stronger one, for a hundred objects. Peers run by an interpreter that
has them, with their own defaults:

    uv venv peers
    uv pip install --python peers sahi==0.12.8 ultralytics==8.4.190 supervision==0.31.2
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import torch
from cyclopts import Parameter, run

from benchmarks.accuracy.simulated_tiles import Style, seen_in
from benchmarks.accuracy.tiles_against_whole import predicted
from benchmarks.limited import run_limited
from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.index import Index
from smalldet.detections import Detections, TileDetections
from smalldet.evaluation.scoring import score
from smalldet.geometry.merge_methods import MERGES
from smalldet.geometry.oriented import rboxes_to_quads
from smalldet.geometry.rotated import rotated_iou
from smalldet.geometry.tiles import tile_grid
from smalldet.inference.options import PredictOptions
from smalldet.tile_models import TileModel, open_tile_model

SETS = ("hituav", "dota_mini_obb")
OURS = {"smalldet tiles": "tiles", "rotated NMS, IoU 0.5": "nms", "rotated greedy": "greedy"}
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "SAHI NMS, IoS 0.5": ("sahi", {"metric": "IOS", "threshold": 0.5}),
    "SAHI NMS, IoU 0.5": ("sahi", {"metric": "IOU", "threshold": 0.5}),
    "Ultralytics ProbIoU 0.3": ("ultralytics", {"threshold": 0.3}),
    "supervision NMS, IoU 0.5": ("supervision", {"threshold": 0.5}),
}
PEER_MERGES = "benchmarks.peers.oriented_merges"
MEMORY_GB = 16
DOUBLE_CONF = 0.25

Views = list[TileDetections]
Seen = Callable[[int | None], Views]
"""What is found in tiles of a side, None for whole pictures, in each picture of a set."""
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]
Numbers = Annotated[tuple[int, ...], Parameter(name="--tile", consume_multiple=True)]


def main(
    *,
    model: Annotated[str | None, Parameter(help="Of oriented boxes; made up if None.")] = None,
    sets: Names = SETS,
    part: str = "val",
    tile_px: Numbers = (256,),
    overlap_frac: Annotated[float, Parameter(name="--overlap")] = 0.2,
    pictures: Annotated[int | None, Parameter(help="Of each set, evenly spread.")] = None,
    conf: Annotated[float, Parameter(help="Least score of a model's detections.")] = 0.01,
    seed: Annotated[int, Parameter(help="Of the made-up detector.")] = 0,
    peers: Annotated[str | None, Parameter(help="Interpreter that has the peers.")] = None,
    timeout_s: Annotated[float, Parameter(help="For one peer on all pictures of a set.")] = 900,
    shared: Path | None = None,
    device: str = "auto",
) -> None:
    """Print OBB AP of whole pictures, of merged tiles, and the difference in points."""
    root = shared_folder(shared)
    print("| set | detections | tile | merge | OBB AP | OBB AP50 | change | doubles |")
    print("|---|---|---:|---|---:|---:|---:|---:|", flush=True)
    opened = None if model is None else open_tile_model(model, device=device, backend="torch")
    for name in sets:
        truth = labelled_set(root, name, part).spread(pictures)
        sources: dict[str, Seen] = {
            style: partial(_made_up, truth, overlap_frac, style, seed) for style in get_args(Style)
        }
        if opened is not None:
            seen = partial(_found_by, opened, truth, overlap_frac, conf)
            sources = {Path(str(model)).name: seen}
        for source, seen in sources.items():
            cells = [f"{name} ({len(truth)})", source]
            whole = [one.as_detections() for one in seen(None)]
            ap = _print_row([*cells, "whole", ""], truth, whole, None)
            for side in tile_px:
                views, tiled = seen(side), [*cells, f"{side} px"]
                for told, merge in OURS.items():
                    found = [MERGES[merge](one) for one in views]
                    _print_row([*tiled, told], truth, found, ap)
                for told, (method, settings) in PEERS.items() if peers else ():
                    found = _by_peer(str(peers), method, settings, views, timeout_s)
                    _print_row([*tiled, told], truth, found, ap)


def _found_by(
    model: TileModel, truth: Index, overlap_frac: float, conf: float, side: int | None
) -> Views:
    options = PredictOptions(conf=conf, tile_px=side, overlap_frac=overlap_frac, whole=side is None)
    return predicted(model, truth, options)


def _made_up(truth: Index, overlap_frac: float, style: Style, seed: int, side: int | None) -> Views:
    views: Views = []
    for record in truth.records:
        tiles = torch.tensor([[0, 0, record.width, record.height]])
        if side is not None:
            tiles = tile_grid(record.width, record.height, side, overlap_frac)
        views.append(seen_in(record, tiles, style, truth.class_names, seed))
    return views


def _by_peer(
    python: str, method: str, settings: dict[str, Any], views: Views, timeout_s: float
) -> list[Detections] | str:
    """What a peer makes of each picture's tiles; or what went wrong, in words."""
    every = [one.as_detections() for one in views]
    rboxes = torch.cat([one.rboxes for one in every if one.rboxes is not None])
    ends = np.cumsum([len(one) for one in every])
    arrays = {
        "rboxes": rboxes.float().numpy(),
        "quads": rboxes_to_quads(rboxes.double()).numpy(),
        "scores": torch.cat([one.scores for one in every]).numpy(),
        "labels": torch.cat([one.labels for one in every]).numpy(),
        "pictures": np.repeat(np.arange(len(every)), [len(one) for one in every]),
    }
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "views.npz", Path(folder) / "kept.npz"
        np.savez(source, **arrays)
        words = [python, "-m", PEER_MERGES, method, json.dumps(settings), source, out, MEMORY_GB]
        _, failure = run_limited(words, timeout_s)
        if failure:
            return failure
        with np.load(out) as found:
            kept = np.split(found["kept"], ends[:-1])
    return [one[torch.from_numpy(rows)] for one, rows in zip(every, kept, strict=True)]


def _print_row(
    cells: Sequence[str], truth: Index, found: list[Detections] | str, whole_ap: float | None
) -> float:
    """Print what was measured and return the OBB AP in points."""
    if isinstance(found, str):
        print("| " + " | ".join([*cells, found, "", "", ""]) + " |", flush=True)
        return 0.0
    metrics = score(truth, found).metrics
    ap, ap50 = (100 * (metrics[key] or 0) for key in ("OBB_AP", "OBB_AP50"))
    change = "" if whole_ap is None else f"{ap - whole_ap:+.2f}"
    row = [*cells, f"{ap:.2f}", f"{ap50:.2f}", change, f"{_doubles(truth, found):.1f}"]
    print("| " + " | ".join(row) + " |", flush=True)
    return ap


def _doubles(truth: Index, found: Sequence[Detections]) -> float:
    """Strong detections beside a stronger one of the same object, for a hundred objects."""
    num = 0
    for record, one in zip(truth.records, found, strict=True):
        assert record.rboxes is not None
        kept = torch.from_numpy(~record.ignore)
        objects = torch.from_numpy(record.rboxes)[kept].double()
        strong = one[one.scores >= DOUBLE_CONF]
        if not len(objects) or not len(strong):
            continue
        assert strong.rboxes is not None
        overlap = rotated_iou(strong.rboxes[:, None].double(), objects)
        overlap[strong.labels[:, None] != torch.from_numpy(record.labels)[kept]] = 0
        best, place = overlap.max(dim=1)
        place = place[best >= 0.5]
        num += len(place) - len(place.unique())
    return 100 * num / max(sum(truth.counts().values()), 1)


if __name__ == "__main__":
    run(main)
