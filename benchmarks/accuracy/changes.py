"""What each change of a recipe does by itself: equal steps or minutes, several seeds.

    python -m benchmarks.accuracy.changes hituav --steps 300 --seeds 3 [--only NAME ...]
        [--held-out 4] [--frequencies 10 40]

Every row changes one thing of a common recipe (`--base` sets what all have in common) and trains
on the set's training pictures for as many steps, or minutes, as all others. The averaged weights of
the last step are measured on the validation pictures; with `--held-out N` every Nth training
picture is kept out and measured on instead, so that a recipe can be chosen without looking at the
validation pictures. Differences are to the same seed without the change; the spread is from the
least to the most of the seeds. Rows that are finished under `--out` are not trained again.
`--frequencies RARE COMMON` tells AP of rare, common and frequent classes apart: those with up to so
many objects among the training pictures, and those with more.
"""

from __future__ import annotations

import json
import shutil
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, run
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.ideas import IDEAS
from benchmarks.sets import labelled_set, shared_folder, tiles_per_s
from smalldet.config.load import checked, override
from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.tile_models import open_tile_model
from smalldet.training.loop import train
from smalldet.training.recipe import TrainRecipe

# name of a row: what it changes. `scales` is of prediction, all else of the recipe.
CHANGES: dict[str, tuple[str, ...]] = {
    "none": (),
    "tiles of half the side": ("data.tile_px={half_tile}", "training.batch_size={four_batches}"),
    "objects as they are": ("data.scale_jitter=[1,1]",),
    "objects enlarged": ("data.scale_jitter=[1,3]", "scales=[2]"),
    "objects of a tenth in sight": ("data.min_visible_frac=0.1",),
    "no empty tiles": ("data.empty_frac=0",),
    "half of the tiles empty": ("data.empty_frac=0.5",),
    "no mosaic": ("data.mosaic_prob=0",),
    "mosaic to the end": ("data.mosaic_off_frac=0",),
    "mixup": ("data.mixup_prob=0.15",),
    "copy-paste": ("data.copy_paste_prob=0.5",),
    "rare classes oftener": ("data.repeat_threshold=0.5",),
    "rare classes by loss": ("model.class_loss=equalized_focal",),
    "levels of 8 and 16 px": ("model.strides=[8,16]",),
    "levels from 2 px": ("model.strides=[2,4,8,16]",),
    "4 locations an object": ("model.num_locations=4",),
    "without NWD": ("model.nwd_share=0", "model.box_loss=ciou"),
    "boxes weigh 5": ("model.box_weight=5",),
    "second look": ("model.refine=true",),
    "attention": ("model.attention=eca",),
    "from ImageNet": ("training.start=imagenet",),
}
OTHER_LEVELS = ("levels of 8 and 16 px", "levels from 2 px")
SHOWN = ("AP", "AP50", "AP75", "AP_very_tiny", "AP_tiny", "AP_small", "AP_medium")
Words = Parameter(consume_multiple=True)
Row = dict[str, float | None]


def main(
    name: str,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    seeds: int = 3,
    only: Annotated[tuple[str, ...], Words] = (),
    start: str = "imagenet",
    tile: int = 320,
    batch: int = 8,
    base: Annotated[tuple[str, ...], Words] = (),
    held_out: int | None = None,
    frequencies: tuple[int, int] | None = None,
    pictures: Annotated[int | None, Parameter(help="To measure on, at most.")] = None,
    shared: Path | None = None,
    out: Path = Path("runs/changes"),
) -> None:
    """Train a recipe with one change at a time and print what each does.

    Args:
        only: rows of the table, the first is what others are compared with; besides the names in
            this file those of `benchmarks.accuracy.ideas`, and `section.key=value`, several joined
            by `+`. Default: all changes that the start allows, as a detector of other levels starts
            from ImageNet or from nothing.
        base: changes that all rows have.
    """
    if (steps is None) == (minutes is None):
        raise SystemExit("give either --steps or --minutes")
    root = shared_folder(shared)
    source = root / "data" / name / "train.json"
    truth = labelled_set(root, name, "train" if held_out else "val")
    if held_out:
        source, truth = _split(source, truth, held_out, out / name)
    truth = truth.spread(pictures)
    groups = _by_frequency(source, frequencies) if frequencies else {}
    images = root / "data" / name / "images"
    common = _common(source, images, steps, minutes, start, tile, batch)
    common = override(common, base)
    from_model = start not in ("imagenet", "scratch")
    only = only or tuple(name for name in CHANGES if not (from_model and name in OTHER_LEVELS))
    rows: dict[str, list[Row]] = {}
    for seed in range(seeds):
        for change in only:
            folder = out / name / change.replace("/", "_") / str(seed)
            with IDEAS.get(change, nullcontext)():
                row = _measured(common, change, seed, truth, groups, folder)
            rows.setdefault(change, []).append(row)
            print(change, seed, json.dumps(row), flush=True)
    Console(width=150).print(_table(rows, f"{name}, {len(truth)} pictures, {steps or minutes}"))


def _common(
    source: Path,
    images: Path,
    steps: int | None,
    minutes: float | None,
    start: str,
    tile: int,
    batch: int,
) -> dict[str, Any]:
    """The recipe without any change."""
    return {
        "data": {
            "train": [{"annotations": str(source.resolve()), "images": str(images.resolve())}],
            "tile_px": tile,
            "predict_tile_px": 640,
            "tiles_per_epoch": batch * steps if steps else None,
            "cache_mb": 3000,
        },
        "training": {
            "epochs": 1 if steps else 100_000,
            "minutes": minutes,
            "batch_size": batch,
            "start": start,
            "warmup_steps": 30,
            "num_workers": 0,
        },
    }


def _by_frequency(source: Path, most: tuple[int, int]) -> dict[str, list[str]]:
    """Names of the rare, common and frequent classes."""
    content = json.loads(source.read_text(encoding="utf-8"))
    counts = Counter(annotation["category_id"] for annotation in content["annotations"])
    groups: dict[str, list[str]] = {"rare": [], "common": [], "frequent": []}
    for category in content["categories"]:
        group = tuple(groups)[bisect_left(most, counts[category["id"]])]
        groups[group].append(category["name"])
    return groups


def _measured(
    common: dict[str, Any],
    change: str,
    seed: int,
    truth: Index,
    groups: dict[str, list[str]],
    folder: Path,
) -> Row:
    """Train with one change, unless that has been done, and measure."""
    kept = folder / "row.json"
    if not kept.exists():
        shutil.rmtree(folder, ignore_errors=True)  # a run that was stopped
        told = () if change in IDEAS else change.split("+")
        changes = [text.strip() for text in CHANGES.get(change, told)]
        data, training = common["data"], common["training"]
        sizes = {"half_tile": data["tile_px"] // 2, "four_batches": 4 * training["batch_size"]}
        changes = [text.format_map(sizes) for text in changes]
        scales = [text for text in changes if text.startswith("scales=")]
        content = override(common, [text for text in changes if text not in scales])
        content = override(content, [f"training.seed={seed}"])
        if content["data"]["tiles_per_epoch"]:  # as many steps, whatever the batch
            share = content["training"]["batch_size"] / training["batch_size"]
            content["data"]["tiles_per_epoch"] = round(data["tiles_per_epoch"] * share)
        train(checked(TrainRecipe, content, change), folder, device="auto")
        chosen = json.loads(scales[0].partition("=")[2]) if scales else [1.0]
        model = open_tile_model(folder / "last.safetensors", backend="torch")
        report = evaluate(model, truth, EvaluateOptions(scales=tuple(chosen)))
        row = {key: report.metrics[key] for key in SHOWN} | {"tiles_per_s": tiles_per_s(folder)}
        for group, names in groups.items():  # classes without objects to measure on have no AP
            found = [report.per_class[name]["AP"] for name in names if name in report.per_class]
            known = [ap for ap in found if ap is not None]
            row[f"AP_{group}"] = statistics.mean(known) if known else None
        kept.write_text(json.dumps(row), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def _split(source: Path, whole: Index, held_out: int, folder: Path) -> tuple[Path, Index]:
    """COCO json without every Nth picture, and those as an index."""
    content = json.loads(source.read_text(encoding="utf-8"))
    kept = [image for i, image in enumerate(content["images"]) if i % held_out]
    ids = {image["id"] for image in kept}
    content["images"] = kept
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "train.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path, Index(whole.class_names, whole.records[::held_out])


def _table(rows: dict[str, list[Row]], title: str) -> Table:
    """Means over seeds, and the differences of AP to the first row, seed by seed."""
    table = Table(title=title, title_justify="left")
    first = next(iter(rows.values()))
    shown = [key for key in first[0] if key != "tiles_per_s"]
    for header in ("change", *shown, "tiles a second", "AP against the first", "least to most"):
        table.add_column(header, justify="right")
    for change, measured in rows.items():
        means = [_mean([row[key] for row in measured], 100) for key in shown]
        speed = _mean([row["tiles_per_s"] for row in measured], 1)
        pairs = zip(measured, first, strict=True)
        gains = [100 * ((row["AP"] or 0) - (ours["AP"] or 0)) for row, ours in pairs]
        apart, extent = f"{statistics.mean(gains):+.1f}", f"{min(gains):+.1f} to {max(gains):+.1f}"
        if measured is first:
            aps = [100 * (row["AP"] or 0) for row in measured]
            apart, extent = "", f"{min(aps):.1f} to {max(aps):.1f}"
        table.add_row(change, *means, speed, apart, extent)
    return table


def _mean(values: Sequence[float | None], factor: float) -> str:
    present = [value * factor for value in values if value is not None]
    return f"{statistics.mean(present):.1f}" if present else "-"


if __name__ == "__main__":
    run(main)
