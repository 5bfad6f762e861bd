"""How many locations learn each object, by size: does any size starve?

    python -m benchmarks.accuracy.positives [--tiles 300] [--shared ../shared]

Training tiles of `irst_tiny` and `hituav`, an untrained Speck-n with ImageNet's backbone and the
embedded thermal model: locations for each object, by the object's side in the tile.
"""

from __future__ import annotations

from pathlib import Path

import torch
from cyclopts import run
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.options import Sampling
from smalldet.data.tiled import TiledDataset
from smalldet.geometry.boxes import box_sides
from smalldet.models import load_model
from smalldet.models.detector import Detector
from smalldet.models.speck.config import SpeckConfig

EDGES_PX = torch.tensor([0.0, 4, 8, 16, 32, 96, 1e9])
MOST = 9


def main(*, tiles: int = 300, shared: Path | None = None) -> None:
    """Print the distribution of positives by object size."""
    root, console = shared_folder(shared), Console(width=110)
    for name in ("irst_tiny", "hituav"):
        index = labelled_set(root, name, "train")
        sampling = Sampling(tiles_per_epoch=tiles)
        dataset = TiledDataset(index, tile_px=384, train=True, sampling=sampling)
        untrained = SpeckConfig().build(index.class_names, 384).eval()
        console.print(_table(f"{name}, untrained", *_positives(untrained, dataset)))
        if name == "hituav":
            trained = load_model("speck-n-thermal")
            console.print(_table(f"{name}, trained", *_positives(trained, dataset)))


@torch.no_grad()
def _positives(detector: Detector, dataset: TiledDataset) -> tuple[Tensor, Tensor]:
    """Side of each object and the number of locations that learn it."""
    sides, counts = [], []
    for position in range(len(dataset)):
        image, target = dataset[position]
        outputs = detector.network(image[None])
        counts += detector.num_positives(outputs, (image.shape[1], image.shape[2]), [target])
        sides.append(box_sides(target.boxes))
    return torch.cat(sides), torch.cat(counts)


def _table(title: str, sides: Tensor, counts: Tensor) -> Table:
    table = Table(title=title, title_justify="left")
    for header in ("side px", "objects", "mean", "least", *map(str, range(MOST + 1))):
        table.add_column(header, justify="right")
    for low, high in zip(EDGES_PX[:-1].tolist(), EDGES_PX[1:].tolist(), strict=True):
        row = counts[(sides >= low) & (sides < high)]
        if not len(row):
            continue
        shares = torch.bincount(row, minlength=MOST + 1)[: MOST + 1] / len(row)
        span = f"{low:g}-{high:g}" if high < 1e9 else f"{low:g}+"
        cells = [f"{share:.0%}" if share else "" for share in shares.tolist()]
        mean = f"{row.float().mean().item():.1f}"
        table.add_row(span, str(len(row)), mean, str(int(row.min())), *cells)
    return table


if __name__ == "__main__":
    run(main)
