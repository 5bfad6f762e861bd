"""Error of directions against the true direction, through a full circle: is there a jump anywhere?

    python -m benchmarks.accuracy.angles [--model FILE] [--set hituav] [--objects 40] [--steps 300]
        [--plot FILE.png]

With a model that finds oriented boxes: long objects of a labelled set's validation pictures, each
in a window of 128 px that is turned round it by 0, 5, ... 355 degrees. Without one, a small Speck
learns drawn bars of any direction for `--steps` steps of 8 (a minute of one core), and is asked for
bars of every direction. Prints a row for each of them: how many were found, and of those the error
of the angle in degrees and the IoU. `--plot` draws them (`uv pip install matplotlib`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from cyclopts import Parameter, run
from PIL import Image
from torch import Tensor

from benchmarks.sets import labelled_set, shared_folder
from smalldet.detections import Detections
from smalldet.geometry.oriented import canonical, enclosing_boxes, points_in_frames
from smalldet.geometry.rotated import rotated_iou
from smalldet.models.speck.config import SpeckConfig
from smalldet.targets import Target
from smalldet.tile_models import open_tile_model

TILE_PX = 128
LEAST_ASPECT = 2.0
LEAST_IOU = 0.3
SMALL = SpeckConfig(oriented=True, backbone="mobilenetv3_small_050", width=32, num_context=1)

Find = Callable[[Tensor], list[Detections]]
"""Of tiles (B, 3, TILE_PX, TILE_PX) uint8."""


def main(
    *,
    model: Path | None = None,
    labelled: Annotated[str, Parameter(name="--set")] = "hituav",
    objects: int = 40,
    steps: int = 300,
    step_deg: int = 5,
    plot: Path | None = None,
    shared: Path | None = None,
) -> None:
    """Print the table.

    Args:
        objects: long ones that are turned, or bars of each direction.
        steps: of training where there is no model.
        step_deg: between two directions.
        plot: found against true directions, and the errors by direction.
    """
    if model is None:
        find = _trained_on_bars(steps)
        draw = torch.Generator().manual_seed(1)
        tiles, rboxes = _bars(_random_bars(objects, draw))
    else:
        opened = open_tile_model(str(model), backend="torch")
        find = lambda images: opened.detect(images, 0.1, 300)  # noqa: E731
        tiles, rboxes = _windows(shared_folder(shared), labelled, objects)
    print(
        "| turn deg | found | mean error deg | 90 % below | mean IoU |\n|---:|---:|---:|---:|---:|"
    )
    everything: list[Tensor] = []
    directions = range(0, 360, step_deg)
    for degrees in directions:
        turned = _turned(tiles.float(), math.radians(degrees)).round().byte()
        truth = rboxes + torch.tensor([0, 0, 0, 0, math.radians(degrees)])
        best = torch.stack([_best(*pair) for pair in zip(find(turned), truth, strict=True)])
        everything.append(best)
        print(_row(str(degrees), best), flush=True)
    print(_row("all", torch.cat(everything)))
    if plot is not None:
        _draw(plot, list(directions), everything)


def _row(title: str, best: Tensor) -> str:
    errors, overlaps = best[best[:, 1] > LEAST_IOU].unbind(1)
    errors = errors.abs()
    figures = (errors.mean(), errors.quantile(0.9), overlaps.mean())
    cells = (f"{len(errors) / len(best):.0%}", *(f"{float(f):.2f}" for f in figures))
    return "| " + " | ".join((title, *cells)) + " |"


def _best(found: Detections, rbox: Tensor) -> Tensor:
    """(2,) signed degrees of error and IoU of what lies best on an oriented box (5,)."""
    if not len(found):
        return torch.zeros(2)
    assert found.rboxes is not None, "the model finds upright boxes"
    overlaps = rotated_iou(found.rboxes.cpu(), rbox)
    row = overlaps.argmax()
    apart = float(found.rboxes[row, 4]) - float(rbox[4])
    error = (apart + math.pi / 2) % math.pi - math.pi / 2
    return torch.tensor([math.degrees(error), float(overlaps[row])])


def _draw(path: Path, directions: list[int], bests: list[Tensor]) -> None:
    """Left each object's turn as found against its true one, right the sizes of the errors."""
    from matplotlib import pyplot as plt  # no dependency of the package

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    found = [best[best[:, 1] > LEAST_IOU, 0].numpy() for best in bests]
    for degrees, errors in zip(directions, found, strict=True):
        left.plot(np.full(len(errors), degrees), degrees + errors, ".", color="C0", ms=2)
    left.set(xlabel="true turn, degrees", ylabel="turn as found, degrees (modulo 180)")
    sizes = [np.abs(errors) for errors in found]
    right.plot(directions, [one.mean() for one in sizes], label="mean")
    right.plot(directions, [np.quantile(one, 0.9) for one in sizes], label="nine tenths below")
    right.set(xlabel="true turn, degrees", ylabel="error, degrees", ylim=0)
    right.legend()
    for axes in (left, right):
        axes.set(xlim=(0, 360), xticks=range(0, 361, 45))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


def _turned(tiles: Tensor, angle: float) -> Tensor:
    """Tiles turned clockwise on the screen about their middle; corners mirror what is near."""
    cos, sin = math.cos(angle), math.sin(angle)
    back = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0]]).expand(len(tiles), -1, -1)
    grid = F.affine_grid(back, list(tiles.shape), align_corners=False)
    return F.grid_sample(tiles, grid, padding_mode="reflection", align_corners=False)


def _windows(shared: Path, name: str, most: int) -> tuple[Tensor, Tensor]:
    """Tiles round long objects, and their boxes in them."""
    tiles, rboxes = [], []
    for record in labelled_set(shared, name, "val").records:
        if record.rboxes is None:
            raise SystemExit(f"{name}: its labels have upright boxes alone")
        half = TILE_PX // 2
        centre = record.rboxes[:, :2].round()
        long = record.rboxes[:, 2] >= LEAST_ASPECT * record.rboxes[:, 3]
        inside = (centre >= half) & (centre <= np.array([record.width, record.height]) - half)
        rows = (long & inside.all(1) & ~record.ignore).nonzero()[0]
        if not len(rows):
            continue
        row = rows[len(rows) // 2]  # one of a picture, so that all are of other places
        x, y = (int(value) - half for value in centre[row])
        picture = np.asarray(Image.open(record.path).convert("RGB"))[y:, x:][:TILE_PX, :TILE_PX]
        tiles.append(torch.from_numpy(picture.copy()).permute(2, 0, 1))
        rbox = torch.from_numpy(record.rboxes[row].copy())
        rboxes.append(torch.cat((torch.tensor([half, half]), rbox[2:])))
    step = max(1, len(tiles) // most)
    return torch.stack(tiles[::step][:most]), torch.stack(rboxes[::step][:most])


def _random_bars(num: int, draw: torch.Generator) -> Tensor:
    """(N, 5) bars in the middle of a tile, upright."""
    length = 12 + 24 * torch.rand(num, generator=draw)
    slim = LEAST_ASPECT + 3 * torch.rand(num, generator=draw)
    middle = torch.full((num,), TILE_PX / 2)
    return torch.stack((middle, middle, length, length / slim, torch.zeros(num)), 1)


def _bars(rboxes: Tensor) -> tuple[Tensor, Tensor]:
    """A tile for each: a bright bar on grey."""
    at = torch.arange(TILE_PX) + 0.5
    points = torch.cartesian_prod(at, at).flip(1).expand(len(rboxes), -1, -1)
    inside = (points_in_frames(points, rboxes).abs() <= rboxes[:, None, 2:4] / 2).all(-1)
    grey = torch.where(inside, 220, 80).to(torch.uint8).view(-1, 1, TILE_PX, TILE_PX)
    return grey.expand(-1, 3, -1, -1), rboxes


def _trained_on_bars(num_steps: int) -> Find:
    torch.manual_seed(0)
    draw = torch.Generator().manual_seed(0)
    detector = SMALL.build(("bar",), TILE_PX).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=2e-3)
    label = torch.zeros(1, dtype=torch.long)
    for step in range(num_steps):
        rboxes = _random_bars(8, draw)
        rboxes[:, :2] += 40 * (torch.rand(8, 2, generator=draw) - 0.5)
        rboxes[:, 4] = math.pi * torch.rand(8, generator=draw)
        rboxes = canonical(rboxes)
        targets = [
            replace(Target.of(enclosing_boxes(one), label, 1), rboxes=one)
            for one in rboxes.split(1)
        ]
        loss = torch.stack(list(detector.loss(_bars(rboxes)[0], targets).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 20) * (1 - step / num_steps)
        optimiser.step()
    detector.eval()
    return lambda images: detector.predict(images, 0.1, 300)


if __name__ == "__main__":
    run(main)
