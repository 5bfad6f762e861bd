"""What `smalldet change` finds of trees that came and went, against labels of every date.

    python -m benchmarks.accuracy.tree_change [--model best.safetensors --metrics metrics.json]

On naip_trees_dates: 120 places at two dates, 97 of them at a third, each tree a labelled point.
What became of the labels is the truth: a tree without another within the tolerance at the next date
is gone. Measured are the labels themselves, detectors that are drawn from them (so many trees
found, so many false alarms, scores that tell the truth), a trained model on the places of val, a
date that lies 3 m beside the other, and one of whose pictures a third is masked. `--metrics` is
what `smalldet evaluate --out` wrote of the model.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
import torch
from affine import Affine
from cyclopts import run
from numpy.typing import NDArray

import smalldet
from benchmarks.sets import labelled_set, shared_folder
from smalldet.changing.pairs import near_pairs, nearest_first
from smalldet.changing.report import ChangeReport
from smalldet.data.index import ImageRecord
from smalldet.imagery.ground import located, reprojected
from smalldet.imagery.places import WGS84

SET, GSD_M = "naip_trees_dates", 0.6
TOLERANCE_M = 6.0
"""Half the side of the nominal boxes."""
SHIFT_M = (2.4, -1.8)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Found:
    """Objects of one date: boxes (N, 4) and scores by picture, and the label that each is on."""

    pictures: list[ImageRecord]
    boxes: list[Floats]
    scores: list[Floats]
    on_label: list[NDArray[np.int64]]  # rows of the picture's labels, -1 for none

    def labels(self) -> NDArray[np.int64]:
        """(N,) labels numbered through all pictures, in the order of the file; -1 for none."""
        starts = np.cumsum([0, *(len(one.boxes) for one in self.pictures)])
        parts = zip(self.on_label, starts[:-1].tolist(), strict=True)
        return np.concatenate([np.where(rows < 0, -1, rows + start) for rows, start in parts])

    def write(self, path: Path, images: Path | None = None) -> Path:
        """COCO json of the pictures, or of those of the same name in another folder."""
        names = [str((images or one.path.parent) / one.path.name) for one in self.pictures]
        annotations = [
            {
                "image_id": number,
                "category_id": 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
                "iscrowd": 0,
            }
            for number, (boxes, scores) in enumerate(zip(self.boxes, self.scores, strict=True), 1)
            for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True)
        ]
        content = {
            "images": [
                {"id": number, "file_name": name, "width": one.width, "height": one.height}
                for number, (name, one) in enumerate(zip(names, self.pictures, strict=True), 1)
            ],
            "categories": [{"id": 1, "name": "tree"}],
            "annotations": [{"id": n, **one} for n, one in enumerate(annotations, 1)],
        }
        path.write_text(json.dumps(content))
        return path


def labels_of(pictures: list[ImageRecord]) -> Found:
    """The labels as what a perfect detector finds."""
    return Found(
        pictures,
        [one.boxes.astype(np.float64) for one in pictures],
        [np.ones(len(one.boxes)) for one in pictures],
        [np.arange(len(one.boxes)) for one in pictures],
    )


def drawn_from(pictures: list[ImageRecord], recall: float, precision: float, seed: int) -> Found:
    """What a detector finds whose scores tell the truth: of those at s, a share of s is real."""
    rng = np.random.default_rng(seed)
    found = Found(pictures, [], [], [])
    for one in pictures:
        rows = np.flatnonzero(rng.random(len(one.boxes)) < recall)
        real = one.boxes[rows].astype(np.float64) + rng.normal(0, 1, (len(rows), 2)).repeat(
            2, 0
        ).reshape(-1, 4)
        num = rng.poisson(len(rows) * (1 - precision) / precision)
        corner = rng.uniform(0, 236, (num, 2))
        false = np.concatenate([corner, corner + 20], axis=1)
        # densities that rise and fall as a Beta of this mean has them, one by s and one by 1 - s
        concentration = 4.0
        a, b = precision * concentration, (1 - precision) * concentration
        found.boxes.append(np.clip(np.concatenate([real, false]), 0, 256))
        found.scores.append(
            np.concatenate([rng.beta(a + 1, b, len(rows)), rng.beta(a, b + 1, num)])
        )
        found.on_label.append(np.concatenate([rows, np.full(num, -1)]))
    return found


def predicted(model: Any, pictures: list[ImageRecord]) -> Found:
    """What a model finds, on the label that is nearest within the tolerance."""
    found = Found(pictures, [], [], [])
    for one in pictures:
        detections = model.predict(one.path)
        boxes = detections.boxes.double().numpy()
        middles, truth = ((b[:, :2] + b[:, 2:]) / 2 * GSD_M for b in (boxes, one.boxes))
        same = np.zeros(len(boxes), np.int64), np.zeros(len(truth), np.int64)
        reach = tuple(np.full(len(part), TOLERANCE_M) for part in same)
        pairs = nearest_first(near_pairs(middles, truth.astype(np.float64), same, reach))
        on_label = np.full(len(boxes), -1)
        on_label[pairs.old] = pairs.new
        found.boxes.append(boxes)
        found.scores.append(detections.scores.double().numpy())
        found.on_label.append(on_label)
    return found


def statuses(report: ChangeReport) -> tuple[NDArray[Any], NDArray[Any], Floats, Floats]:
    """Status and its probability of each old and each new object, in the order of their files."""
    columns = report.changes.columns
    told = []
    for date in ("old", "new"):
        rows = np.flatnonzero(columns[f"id_{date}"] != "")
        order = rows[np.argsort(columns[f"id_{date}"][rows].astype(np.int64))]
        told.append((columns["status"][order], columns["p"][order]))
    return told[0][0], told[1][0], told[0][1], told[1][1]


def judged(
    status: str, said: NDArray[Any], p: Floats, labels: NDArray[np.int64], truth: NDArray[Any]
) -> str:
    """Precision and recall of a status: of all that it is said of, and of those of p over a half.

    Args:
        status: gone or appeared.
        said: (N,) status of each object.
        p: (N,) its probability.
        labels: (N,) the label that each is on, or -1.
        truth: (L,) status of each label.
    """
    right = (labels >= 0) & (np.append(truth, "")[labels] == status)
    cells = []
    for chosen in (said == status, (said == status) & (p > 0.5)):
        num = int(chosen.sum())
        precision = f"{right[chosen].mean():.2f}" if num else "-"
        cells += [str(num), precision, f"{(right & chosen).sum() / (truth == status).sum():.2f}"]
    own = said == status
    cells.append(f"{p[own].mean():.2f}" if own.any() else "-")
    return " | ".join(cells)


def interval(report: ChangeReport, kind: str) -> str:
    columns = report.whole.columns
    mean, low, high = (columns[f"{kind}_{part}"][0] for part in ("est", "low", "high"))
    return f"{mean:,.0f} ({low:,.0f} to {high:,.0f})"


def compared(
    name: str, dates: tuple[Found, Found], truth: ChangeReport, folder: Path, **options: Any
) -> None:
    """Print the rows of one detector."""
    files = [found.write(folder / f"{k}.json") for k, found in enumerate(dates)]
    report = smalldet.change(*files, **options)
    old, new, old_p, new_p = statuses(report)
    true_old, true_new, _, _ = statuses(truth)
    for status, said, p, found, true in (
        ("gone", old, old_p, dates[0], true_old),
        ("appeared", new, new_p, dates[1], true_new),
    ):
        print(
            f"| {name} | {status} | {(true == status).sum()} | {interval(report, status)} | "
            f"{judged(status, said, p, found.labels(), true)} |",
            flush=True,
        )


def main(
    *,
    model: Path | None = None,
    metrics: Path | None = None,
    conf: float | None = None,
    shared: Path | None = None,
) -> None:
    """Print the tables of docs/change.md."""
    torch.set_num_threads(1)
    folder = shared_folder(shared)
    parts = [labelled_set(folder, SET, part) for part in ("train", "val")]
    every = dates_of([record for part in parts for record in part.records], folder)
    with tempfile.TemporaryDirectory() as scratch:
        truth = of_labels(every, Path(scratch))
        header = "| status | in truth | estimated | said | precision | recall | p over 0.5 | "
        print(f"\n| detector {header}precision | recall | mean p |\n|{'---|' * 11}")
        certain = tuple(labels_of(date) for date in every[:2])
        compared("labels", certain, truth, Path(scratch), recall=1.0)
        for recall, precision in ((0.95, 0.95), (0.8, 0.8), (0.6, 0.7)):
            drawn = tuple(drawn_from(date, recall, precision, k) for k, date in enumerate(every))
            name = f"recall {recall}, precision {precision}"
            compared(name, drawn[:2], truth, Path(scratch), recall=recall)
            compared(f"{name}, not told", drawn[:2], truth, Path(scratch))
        if model is not None:
            of_model(model, metrics, conf, dates_of(list(parts[1].records), folder), Path(scratch))
        shifted(certain, Path(scratch))
        masked(certain, truth, Path(scratch))


def dates_of(records: list[ImageRecord], shared: Path) -> list[list[ImageRecord]]:
    """Pictures of the first, the second and the third date of each place."""
    places: dict[str, list[tuple[str, ImageRecord]]] = defaultdict(list)
    captured = {}
    for part in ("train", "val"):
        content = json.loads((shared / "data" / SET / f"{part}.json").read_text())
        captured |= {one["file_name"]: one for one in content["images"]}
    for record in records:
        about = captured[record.path.name]
        places[about["place"]].append((about["date_captured"], record))
    dates: list[list[ImageRecord]] = [[], [], []]
    for place in places.values():
        for date, (_, record) in zip(dates, sorted(place, key=lambda one: one[0]), strict=False):
            date.append(record)
    return dates


def of_labels(dates: list[list[ImageRecord]], scratch: Path) -> ChangeReport:
    """Counts of every date against the labels, over time; gives the change of the first two."""
    files = [labels_of(date).write(scratch / f"date{k}.json") for k, date in enumerate(dates, 1)]
    over_time = smalldet.change(*files, recall=1.0).whole.columns
    print("| date | labels | counted | on ground of all dates | appeared | gone | not seen |")
    print("|---|---|---|---|---|---|---|")
    for k, date in enumerate(dates):
        num = sum(len(record.boxes) for record in date)
        since = [f"{over_time[name][k]:.0f}" for name in ("appeared", "gone", "not_seen")]
        print(
            f"| {k + 1} | {num} | {over_time['num_found'][k]} | {over_time['num'][k]} | "
            f"{' | '.join(since if k else ['', '', ''])} |"
        )
    return smalldet.change(*files[:2], recall=1.0)


def of_model(
    path: Path,
    metrics: Path | None,
    conf: float | None,
    dates: list[list[ImageRecord]],
    scratch: Path,
) -> None:
    """A trained model on places that it was not trained on."""
    model = smalldet.load(path, backend="torch", conf=conf)
    found = tuple(predicted(model, date) for date in dates[:2])
    for k, one in enumerate(found):
        labels, num = one.labels(), sum(len(record.boxes) for record in one.pictures)
        print(
            f"model at date {k + 1}: {len(labels)} found, {(labels >= 0).mean():.2f} of them on a "
            f"tree, {(labels >= 0).sum() / num:.2f} of the {num} trees"
        )
    files = [labels_of(date).write(scratch / f"val{k}.json") for k, date in enumerate(dates[:2])]
    truth = smalldet.change(*files, recall=1.0)
    compared("model, nothing told", found, truth, scratch)
    if metrics is not None:
        compared("model, by its metrics", found, truth, scratch, metrics=metrics)


def shifted(dates: tuple[Found, ...], scratch: Path) -> None:
    """The second date's pictures are said to lie elsewhere."""
    images = scratch / "shifted"
    images.mkdir()
    for record in dates[1].pictures:
        shutil.copy(record.path, images)
        with rasterio.open(images / record.path.name, "r+") as file:
            file.transform = Affine.translation(*SHIFT_M) * file.transform
    files = dates[0].write(scratch / "0.json"), dates[1].write(scratch / "1.json", images)
    for options in ({}, {"no_shift": True}):
        report = smalldet.change(*files, recall=1.0, **options)
        print("\n".join(("", *report.lines())))


def masked(dates: tuple[Found, ...], truth: ChangeReport, scratch: Path) -> None:
    """The western third of each of the second date's pictures is a cloud."""
    shapes = []
    for record in dates[1].pictures:
        ground, third = located(record.path), record.width / 3
        corners = np.array([(0, 0), (third, 0), (third, record.height), (0, record.height)])
        shapes.append(shapely.Polygon(reprojected(ground.to_map(corners), ground.crs, WGS84)))
    clouds = scratch / "clouds.geojson"
    clouds.write_text(shapely.to_geojson(shapely.MultiPolygon(shapes)))
    feature = {"type": "Feature", "properties": {}, "geometry": json.loads(clouds.read_text())}
    clouds.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    files = [found.write(scratch / f"{k}.json") for k, found in enumerate(dates)]
    report = smalldet.change(*files, recall=1.0, mask_new=clouds)
    old, _, _, _ = statuses(report)
    before, _, _, _ = statuses(truth)
    x = np.concatenate([(one[:, 0] + one[:, 2]) / 2 for one in dates[0].boxes])
    hidden = x < 256 / 3
    print(f"\n{hidden.sum()} of {len(x)} trees of the first date lie in the masked third")
    for where, rows in (("masked", hidden), ("open", ~hidden)):
        told = {status: int((old[rows] == status).sum()) for status in np.unique(old)}
        plain = {status: int((before[rows] == status).sum()) for status in np.unique(before)}
        print(f"  {where}: {told}; without the mask {plain}")


if __name__ == "__main__":
    run(main)
