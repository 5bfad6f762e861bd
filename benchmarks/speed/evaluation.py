"""Measuring detections: time and memory of all metrics with intervals, beside others' COCO numbers.

    python -m benchmarks.speed.evaluation [--pictures 5000] [--objects 500000]
        [--detections 1000000] [--peers PYTHON]

Draws objects of 4 to 64 px in ten classes and detections: some moved a little, some doubled, the
rest anywhere. Prints rows of a markdown table as they are measured, each by a process of its own.
`smalldet` measures all that `smalldet evaluate` does, ours and COCO's ranges, with 1,000 draws of
the intervals; the peers measure COCO's twelve numbers. PYTHON is an interpreter with pycocotools
and hotcoco; this one by default.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter, run

from benchmarks.limited import peak_mb, run_limited

NUM_CLASSES, SIDE_PX = 10, 2000
PEERS = ("pycocotools", "hotcoco")
Arrays = dict[str, Any]


def main(
    *,
    pictures: int = 5000,
    objects: int = 500_000,
    detections: int = 1_000_000,
    peers: Annotated[str, Parameter(help="An interpreter with the peers.")] = sys.executable,
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ("smalldet", *PEERS),
    resamples: int = 1000,
    limit_s: float = 3600.0,
    measure: Annotated[str | None, Parameter(show=False)] = None,
    drawn: Annotated[Path | None, Parameter(show=False)] = None,
) -> None:
    """Print a row for each way of measuring as it finishes."""
    if measure is not None and drawn is not None:
        print(json.dumps(measured(measure, dict(np.load(drawn)), resamples)))
        return
    print(f"{pictures:,} pictures, {objects:,} objects, {detections:,} detections\n")
    print("| measured by | seconds | CPU seconds | peak MB | COCO AP |")
    print("|---|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drawn.npz"
        np.savez(file, **draw(pictures, objects, detections))
        for name in only:
            python = peers if name in PEERS else sys.executable
            words = [python, "-m", "benchmarks.speed.evaluation", "--measure", name]
            words += ["--drawn", file, "--resamples", resamples]
            said, wrong = run_limited(words, limit_s)
            if wrong:
                print(f"| {name} | {wrong} | | | |", flush=True)
                continue
            row = json.loads(said.splitlines()[-1])
            print(
                f"| {name} | {row['seconds']:.1f} | {row['cpu_s']:.1f} | {row['peak_mb']:.0f} | "
                f"{row['ap']:.6f} |",
                flush=True,
            )


def draw(num_pictures: int, num_objects: int, num_detections: int) -> Arrays:
    """Columns of objects and detections: xyxy boxes of whole quarters of a pixel."""
    rng = np.random.default_rng(0)
    picture = np.sort(rng.integers(0, num_pictures, num_objects))
    corner = rng.uniform(0, SIDE_PX - 64, (num_objects, 2))
    sides = np.exp(rng.uniform(np.log(4), np.log(64), (num_objects, 2)))
    boxes = np.concatenate([corner, corner + sides], axis=1)
    label = rng.integers(0, NUM_CLASSES, num_objects)
    of_object = rng.integers(0, num_objects, num_detections)
    noise = rng.normal(0, 0.1, (num_detections, 4)) * np.tile(sides, 2)[of_object]
    moved = boxes[of_object] + noise
    false = rng.random(num_detections) < 0.4
    moved[false] += rng.uniform(100, 300, (int(false.sum()), 1))
    rank = np.argsort(np.argsort(rng.normal(0.6 - 0.3 * false, 0.2)))
    score = (rank + 1) / (num_detections + 1)  # no two are equal: how to break ties is not measured
    order = np.lexsort((-score, picture[of_object]))
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    return {
        "num_pictures": np.array(num_pictures),
        "object_pictures": picture,
        "object_labels": label,
        "objects": np.round(boxes * 4) / 4,
        "pictures": picture[of_object][order],
        "labels": label[of_object][order],
        "detections": (np.round(moved * 4) / 4)[order],
        "scores": score[order].astype(np.float32),
    }


def measured(name: str, drawn: Arrays, resamples: int) -> dict[str, float]:
    """Seconds from arrays to numbers, the most memory held, and COCO's AP."""
    inputs = _ready_for_smalldet(drawn) if name == "smalldet" else _ready_for_coco(name, drawn)
    begin, cpu = time.perf_counter(), time.process_time()
    ap = _by_smalldet(*inputs, resamples) if name == "smalldet" else _by_coco(*inputs)
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "ap": ap,
    }


def _ready_for_smalldet(drawn: Arrays) -> tuple[Any, Any]:
    import torch

    from smalldet.data.index import ImageRecord, Index
    from smalldet.detections import Detections

    names = tuple(f"class {k}" for k in range(NUM_CLASSES))
    borders = np.arange(int(drawn["num_pictures"]) + 1)
    objects = np.searchsorted(drawn["object_pictures"], borders)
    found = np.searchsorted(drawn["pictures"], borders)
    records: list[Any] = []
    detections: list[Any] = []
    for i in range(len(borders) - 1):
        rows = slice(objects[i], objects[i + 1])
        labels = drawn["object_labels"][rows]
        none = np.zeros(len(labels), dtype=np.bool_)
        boxes = drawn["objects"][rows].astype(np.float32)
        records.append(
            ImageRecord(Path(f"{i}.png"), SIDE_PX, SIDE_PX, boxes, labels, none, none, i)
        )
        rows = slice(found[i], found[i + 1])
        columns = (torch.from_numpy(drawn[key][rows]) for key in ("detections", "scores", "labels"))
        boxes, scores, labels = columns
        detections.append(Detections(boxes.float(), scores, labels, names))
    return Index(names, tuple(records)), detections


def _by_smalldet(truth: Any, detections: Any, resamples: int) -> float:
    from smalldet.evaluation.scoring import score

    report = score(truth, detections, num_resamples=resamples)
    return report.metrics["COCO_AP"] or 0.0


def _ready_for_coco(name: str, drawn: Arrays) -> tuple[Any, Any, Any]:
    """Truth as a dictionary and results as an array, as a file of labels gives them."""
    if name == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    else:
        from hotcoco import COCO, COCOeval
    boxes = drawn["objects"].copy()
    boxes[:, 2:] -= boxes[:, :2]
    columns = (drawn["object_pictures"].tolist(), drawn["object_labels"].tolist(), boxes.tolist())
    annotations = [
        {
            "id": i,
            "image_id": picture,
            "category_id": label + 1,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        }
        for i, (picture, label, box) in enumerate(zip(*columns, strict=True), start=1)
    ]
    truth = {
        "info": {},
        "images": [
            {"id": i, "width": SIDE_PX, "height": SIDE_PX}
            for i in range(int(drawn["num_pictures"]))
        ],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(NUM_CLASSES)],
        "annotations": annotations,
    }
    found = drawn["detections"].copy()
    found[:, 2:] -= found[:, :2]
    results = np.column_stack([drawn["pictures"], found, drawn["scores"], drawn["labels"] + 1])
    return (COCO, COCOeval), truth, results


def _by_coco(classes: Any, truth: Any, results: Any) -> float:
    of_truth, of_evaluation = classes
    gt = of_truth()
    gt.dataset = truth
    gt.createIndex()
    evaluation = of_evaluation(gt, gt.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


if __name__ == "__main__":
    run(main)
