"""What a second look at the pixels of found boxes brings to a detector that is trained already.

    python benchmarks/second_look.py MODEL SET [--seeds 0 1] [--tiles 480] [--tile 192]

MODEL is a Speck, by name or file. A refiner is fitted to what it finds in drawn tiles of the set's
training pictures, while the detector itself stays as it is, and both are evaluated on the
validation pictures. The boxes are those that the assigner gives to the objects, weighted as in
training.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table
from sets import labelled_set, shared_folder
from torch import Tensor

from smalldet.data.formats.reading import read_labels
from smalldet.data.index import Index
from smalldet.data.tiled import TiledDataset
from smalldet.evaluation.evaluate import evaluate
from smalldet.models import import_model
from smalldet.models.assigners import Truth
from smalldet.models.checkpoints.native import save_detector, transfer_from
from smalldet.models.detector import Detector, as_float
from smalldet.models.families.speck import Speck, SpeckConfig
from smalldet.models.losses import box_loss

SHOWN = ("AP", "AP50", "AP75", "AP_very_tiny", "AP_tiny", "AP_small", "AP_medium")
BATCH = 32
LR = 2e-3


def main(
    model: str,
    name: str,
    /,
    *,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (0,),
    tiles: int = 480,
    tile: int = 192,
    steps: int = 500,
    train: Annotated[Path | None, Parameter(help="Labels to fit on; default the set's.")] = None,
    shared: Path | None = None,
    save: Path | None = None,
) -> None:
    """Print the scores of the detector with and without a second look."""
    root = shared_folder(shared)
    index, val = labelled_set(root, name, "train"), labelled_set(root, name, "val")
    if train is not None:
        index = read_labels(train, root / "data" / name / "images")
    given = import_model(model)
    if not isinstance(given.detector, Speck) or not isinstance(given.config, SpeckConfig):
        raise SystemExit(f"{model}: is no Speck")
    table = Table(title=f"{model} on {name}", title_justify="left")
    for header in ("", *SHOWN, "fit, s"):
        table.add_column(header, justify="right")
    table.add_row("as it is", *_scores(given.detector, val), "")
    config = given.config.model_copy(update={"refine": True})
    for seed in seeds:
        torch.manual_seed(seed)
        detector = config.build(given.detector.class_names, given.detector.tile_px).eval()
        transfer_from(given.detector, detector, model)
        detector.conf = given.detector.conf
        began = time.process_time()
        fit(detector, TiledDataset(
            index, tile_px=tile, train=True, seed=seed, num_tiles=tiles, mosaic_prob=0, empty_frac=0
        ), steps)  # fmt: skip
        seconds = f"{time.process_time() - began:.0f}"
        table.add_row(f"second look, seed {seed}", *_scores(detector, val), seconds)
        if save is not None:
            save_detector(save, detector, config, {"refiner_fitted_on": name})
    Console(width=130).print(table)


def fit(detector: Speck, dataset: TiledDataset, steps: int) -> None:
    """Train the refiner of a detector whose other weights stand still."""
    refiner = detector.refiner
    assert refiner is not None
    tiles, rows, found, truth, quality = _positives(detector, dataset)
    optimiser = torch.optim.AdamW(refiner.parameters(), lr=LR, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, steps, pct_start=0.1)
    for _ in range(steps):
        chosen = torch.randperm(len(rows))[: 8 * BATCH]
        own, pictures = rows[chosen].unique(return_inverse=True)
        boxes = refiner(as_float(tiles[own]), found[chosen], pictures)
        errors = box_loss(boxes, truth[chosen]) * quality[chosen]
        optimiser.zero_grad()
        (errors.sum() / quality[chosen].sum()).backward()
        optimiser.step()
        schedule.step()


@torch.no_grad()
def _positives(
    detector: Speck, dataset: TiledDataset
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Tiles, and for every location that learns an object: tile, box found, its truth, quality."""
    tiles, rows, found, truths, qualities = [], [], [], [], []
    for first in range(0, len(dataset), BATCH):
        samples = [dataset[i] for i in range(first, min(first + BATCH, len(dataset)))]
        images = torch.stack([image for image, _ in samples])
        with torch.autocast("cpu", torch.bfloat16):
            logits, boxes, locations = detector.raw(images)
        truth = Truth.of([target for _, target in samples], boxes.device)
        assigned = detector.assigner(logits, boxes, locations, truth)
        where = (assigned.objects >= 0).nonzero(as_tuple=True)
        tiles.append(images)
        rows.append(where[0] + first)
        found.append(boxes[where])
        truths.append(truth.boxes[assigned.objects[where]])
        qualities.append(assigned.quality[where])
    return (
        torch.cat(tiles),
        torch.cat(rows),
        torch.cat(found),
        torch.cat(truths),
        torch.cat(qualities),
    )


def _scores(detector: Detector, val: Index) -> list[str]:
    metrics = evaluate(detector, val).metrics
    values = [metrics[key] for key in SHOWN]
    return ["-" if value is None else f"{100 * value:.1f}" for value in values]


if __name__ == "__main__":
    run(main)
