"""What a picture's ground sample distance is worth: recall of cars in resampled pictures.

    python -m benchmarks.accuracy.gsd_matching [--factors 1 0.5 0.25 2 3] [--pictures 6]
        [--clips MOS DJI] [--conf 0.25] [--resampling lanczos]

Pictures of aerial_cars are resampled and saved as PNG, each with a JSON beside it that says its
`gsd_m`, and predicted through the Python API: as they are, with matching, and with the scale undone
by hand. A car counts as found where a detection of a car has an IoU of 0.5 with it. The set states
no distances: those of its clips are taken from the length of its cars, 4.5 m.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter, run
from PIL import Image

import smalldet
from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.geometry.overlaps import iou

CLIP_GSD_M = {"MOS": 0.130, "DJI": 0.062}
Words = Parameter(consume_multiple=True)


def main(
    *,
    factors: Annotated[tuple[float, ...], Words] = (1, 0.5, 0.25, 2, 3),
    clips: Annotated[tuple[str, ...], Words] = ("MOS",),
    pictures: Annotated[int, Parameter(help="Of each clip, evenly spread.")] = 6,
    conf: float | None = None,
    model: str = "speck-n-aerial",
    resampling: str = "lanczos",
    shared: Path | None = None,
) -> None:
    """Print recall and false alarms by factor, and CPU seconds of one thread."""
    torch.set_num_threads(1)
    val = labelled_set(shared_folder(shared), "aerial_cars", "val")
    car = val.class_names.index("car")
    how = Image.Resampling[resampling.upper()]
    print("| clip | resampled by | cars | as it is | matched | by hand | s as it is | s matched |")
    print("|---|---|---|---|---|---|---|---|")
    for clip in clips:
        own = tuple(record for record in val.records if record.path.name.startswith(clip))
        chosen = Index(val.class_names, own).spread(pictures).records
        for factor in factors:
            with tempfile.TemporaryDirectory() as folder:
                files = [_resampled(r, factor, clip, Path(folder), how) for r in chosen]
                cells: list[str] = []
                seconds: list[str] = []
                for scale, no_match in ((1.0, True), (1.0, False), (1 / factor, True)):
                    predictor = smalldet.load(
                        model, backend="torch", conf=conf, scales=(scale,), no_gsd_match=no_match
                    )
                    began = time.process_time()
                    found = [predictor.predict(file) for file in files]
                    seconds.append(f"{time.process_time() - began:.1f}")
                    cells.append(_recall(chosen, found, factor, car))
            num = sum(int((record.labels == car).sum()) for record in chosen)
            print(
                f"| {clip} | {factor:g} | {num} | {' | '.join(cells)} | {seconds[0]} | "
                f"{seconds[1]} |",
                flush=True,
            )


def _resampled(
    record: ImageRecord, factor: float, clip: str, folder: Path, how: Image.Resampling
) -> Path:
    """A picture of another size, and beside it what is known of it."""
    picture = Image.open(record.path).convert("RGB")
    size = (round(picture.width * factor), round(picture.height * factor))
    path = folder / f"{record.path.stem}.png"
    (picture if factor == 1 else picture.resize(size, how)).save(path)
    path.with_suffix(".json").write_text(json.dumps({"gsd_m": CLIP_GSD_M[clip] / factor}))
    return path


def _recall(
    records: tuple[ImageRecord, ...], found: list[Detections], factor: float, car: int
) -> str:
    """Share of the cars that are found, and false alarms."""
    num = hits = alarms = 0
    for record, detections in zip(records, found, strict=True):
        own = (record.labels == car) & ~record.ignore
        truth = torch.from_numpy(record.boxes[own]).double() * factor
        everything = torch.from_numpy(record.boxes).double() * factor
        cars = detections.labels == detections.class_names.index("car")
        boxes = detections.boxes[cars].double()
        num += len(truth)
        if len(boxes):
            hits += int((_pairwise(truth, boxes).amax(1) >= 0.5).sum())
            alarms += int((_pairwise(everything, boxes).amax(0) < 0.3).sum())
    return f"{hits / num:.2f}, {alarms} false"


def _pairwise(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(N, M) IoU."""
    rows, columns = a.repeat_interleave(len(b), 0), b.repeat(len(a), 1)
    return iou(rows, columns).view(len(a), len(b))


if __name__ == "__main__":
    run(main)
