"""What half of the labels cost, with mute regions and without.

    python -m benchmarks.accuracy.partial_labels [--steps 300] [--seeds 1] [--family speck]

Drawn pictures hold two classes of objects of 8 to 16 px. One model is trained with every label, one
with every label of every second picture. Two more are trained where one half of the pictures has
labels of the one class only and the other half of the other: once the recipe says that the other
class is `unknown` there (nothing counts against it), once that it is `absent` (every unlabelled
object is background). These three have half of the labels each. All tiles go through mosaic and
mixup, all runs take as many steps of as many tiles, and each model is measured on the same pictures
with every label.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from cyclopts import Parameter, run
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from rich.console import Console
from rich.table import Table

from smalldet.config.load import checked, override
from smalldet.training.loop import train
from smalldet.training.recipe import TrainRecipe

CLASSES = ("disc", "cross")
SIDE_PX = 192
OBJECTS = 7
TILE_PX = 128
BATCH = 8

Labels = Literal["full", "half", "unknown", "absent"]
LABELS: tuple[Labels, ...] = get_args(Labels)


def main(
    *,
    steps: int = 300,
    seeds: int = 1,
    pictures: int = 128,
    family: str = "speck",
    more: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    start: Annotated[str, Parameter(help="As training.start.")] = "speck-n-aerial",
    mixup_prob: Annotated[float, Parameter(name="--mixup")] = 0.3,
    only: Annotated[tuple[Labels, ...], Parameter(consume_multiple=True)] = LABELS,
    device: str = "auto",
) -> None:
    """Print AP with all labels and with half of them, by what is said of the other half.

    Args:
        more: changes of the recipe, as `model.width=64`.
        only: rows of the table; AP is compared with the first of them.
    """
    table = Table(title=f"{family}, {steps} steps, {pictures} pictures", title_justify="left")
    for header in ("labels", "seed", "AP", "AP50", "AP against the first"):
        table.add_column(header, justify="right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_sets(folder, pictures)
        for seed in range(seeds):
            first = None
            for labels in only:
                model = {"model": {"family": family}}
                chosen = model | _recipe(folder, labels, steps, seed, start, mixup_prob)
                chosen = override(chosen, more)
                recipe = checked(TrainRecipe, chosen, labels)
                report = train(recipe, folder / f"{labels}{seed}", device=device)
                assert report is not None
                ap, ap50 = (100 * (report.metrics[key] or 0) for key in ("AP", "AP50"))
                first = ap if first is None else first
                print(f"{labels} {seed}: AP {ap:.1f}, AP50 {ap50:.1f}", flush=True)
                table.add_row(labels, str(seed), f"{ap:.1f}", f"{ap50:.1f}", f"{ap - first:+.1f}")
    Console(width=100).print(table)


def _recipe(
    folder: Path, labels: str, steps: int, seed: int, start: str, mixup_prob: float
) -> dict[str, object]:
    train_sets: list[dict[str, object]] = [{"annotations": str(folder / f"{labels}.json")}]
    if labels not in ("full", "half"):
        first, second = CLASSES
        train_sets = [
            {"annotations": str(folder / f"only_{first}.json"), labels: [second]},
            {"annotations": str(folder / f"only_{second}.json"), labels: [first]},
        ]
    data = {
        "train": train_sets,
        "val": [{"annotations": str(folder / "val.json")}],
        "classes": list(CLASSES),
        "tile_px": TILE_PX,
        "tiles_per_epoch": BATCH * steps,
        "scale_jitter": [0.8, 1.25],
        "mixup_prob": mixup_prob,
    }
    training = {
        "epochs": 1,
        "batch_size": BATCH,
        "start": start,
        "seed": seed,
        "warmup_steps": 20,
        "ema_decay": 0.98,
        "num_workers": 0,
    }
    return {"data": data, "training": training}


def draw_sets(folder: Path, num_pictures: int) -> None:
    """`full.json` and `val.json`; `half.json` and both `only_*.json` halve the first's labels."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    training = [_draw_picture(rng, folder / "images", i) for i in range(num_pictures)]
    val = [_draw_picture(rng, folder / "images", num_pictures + i) for i in range(24)]
    _write(folder / "full.json", training, (0, 1))
    _write(folder / "val.json", val, (0, 1))
    _write(folder / "half.json", training[::2], (0, 1))
    _write(folder / f"only_{CLASSES[0]}.json", training[::2], (0,))
    _write(folder / f"only_{CLASSES[1]}.json", training[1::2], (1,))


Truth = list[tuple[int, list[int]]]


def _draw_picture(rng: np.random.Generator, folder: Path, number: int) -> tuple[int, Truth]:
    picture, truth = Image.fromarray(_ground(rng)), []
    pen = ImageDraw.Draw(picture)
    cells = rng.choice(16, OBJECTS, replace=False)
    for cell in cells.tolist():
        side, label = int(rng.integers(8, 17)), int(rng.integers(2))
        x, y = (48 * c + int(rng.integers(1, 47 - side)) for c in divmod(cell, 4))
        colour = tuple(rng.integers(110, 230, 3).tolist())
        if label == 0:
            pen.ellipse((x, y, x + side - 1, y + side - 1), fill=colour)
        else:
            bar, middle = max(side // 3, 2), side // 2
            start = middle - bar // 2
            pen.rectangle((x, y + start, x + side - 1, y + start + bar - 1), fill=colour)
            pen.rectangle((x + start, y, x + start + bar - 1, y + side - 1), fill=colour)
        truth.append((label, [x, y, side, side]))
    picture.save(folder / f"{number}.png")
    return number, truth


def _ground(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Coarse and fine noise, so that brightness alone tells nothing."""
    coarse = rng.integers(30, 200, (SIDE_PX // 8, SIDE_PX // 8, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    values = np.asarray(smooth.filter(ImageFilter.GaussianBlur(2)), dtype=np.float32)
    return np.clip(values + rng.normal(0, 8, values.shape), 0, 255).astype(np.uint8)


def _write(path: Path, drawn: list[tuple[int, Truth]], labelled: tuple[int, ...]) -> None:
    """COCO json with only these classes labelled, and only they in its categories."""
    boxes = [(n, label, box) for n, truth in drawn for label, box in truth if label in labelled]
    content = {
        "images": [
            {"id": n + 1, "file_name": f"{n}.png", "width": SIDE_PX, "height": SIDE_PX}
            for n, _ in drawn
        ],
        "annotations": [
            {"id": i + 1, "image_id": n + 1, "category_id": label + 1, "bbox": box,
             "area": box[2] * box[3], "iscrowd": 0}
            for i, (n, label, box) in enumerate(boxes)
        ],
        "categories": [{"id": label + 1, "name": CLASSES[label]} for label in labelled],
    }  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    run(main)
