"""What each family is in each format of `smalldet export`: errors against torch, time, AP by size.

    python -m benchmarks.accuracy.exports [--rows speck-n-aerial yolov5n ...] [--pictures 40]

Trained models are measured on pictures of a set's `val`; families without trained weights here have
random ones and no AP. The error is the largest of any raw output, in root mean squares of that
output; `differ` counts detections, of the hundred strongest of each checked tile, without a
partner. Milliseconds are the least CPU time of one thread for a tile of 640 px, decoding included.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import Parameter, run

from benchmarks.limited import least_time
from benchmarks.sets import labelled_set, shared_folder
from smalldet.data.index import Index
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.options import EvaluateOptions
from smalldet.exporting.export import export_model
from smalldet.exporting.options import ExportOptions
from smalldet.models.checkpoints.loaded_model import LoadedModel
from smalldet.models.checkpoints.read_model import write_model
from smalldet.models.families import FAMILIES
from smalldet.tile_models import TileModel, open_tile_model
from smalldet.tile_models.parity import textured_tiles

PX = 640
FORMATS = {
    "ONNX": (".onnx", {}),
    "ONNX, fp16": (".onnx", {"fp16": True}),
    "OpenVINO": ("", {"format": "openvino"}),
    "OpenVINO, fp16": ("", {"format": "openvino", "fp16": True}),
}
SIZES: dict[str, tuple[float, float]] = {
    "under 16 px": (0, 16),
    "16-32": (16, 32),
    "from 32": (32, math.inf),
}


@dataclass(frozen=True)
class Row:
    """A model: by name or file under the folder of weights with the set that it is measured on, or
    the keys of a family.
    """

    model: str = ""
    labels: str = ""
    class_names: str | None = None
    keys: dict[str, Any] | None = None


LITE = {"backbone": "tf_efficientnet_lite0", "width": 64}
ROWS = {
    "speck-n-aerial": Row("speck-n-aerial", "aerial_airport"),
    "speck-t-aerial": Row("speck-t-aerial", "aerial_airport"),
    "speck-n-thermal": Row("speck-n-thermal", "hituav"),
    "speck-n-thermal-oriented": Row("speck-n-thermal-oriented", "hituav"),
    "yolov5n": Row("yolov5n-v7.0-coco-pt/yolov5n.pt", "coco128"),
    "yolov4-tiny": Row(
        "yolov4-tiny-coco-darknet/yolov4-tiny.weights", "coco128",
        "yolov4-tiny-coco-darknet/coco.names",
    ),
    "yolo-fastest (YOLOv3)": Row(
        "yolo-fastest-1.1-coco-darknet/yolo-fastest-1.1.weights", "coco128",
        "yolo-fastest-1.1-coco-darknet/coco.names",
    ),
    **{
        name: Row(keys={"family": name, **LITE})
        for name in ("retinanet", "rotated_retinanet", "faster_rcnn", "mask_rcnn", "oriented_rcnn")
    },
    **{name: Row(keys={"family": name}) for name in ("d_fine", "rt_detr_v2")},
}  # fmt: skip


def main(
    *,
    rows: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = tuple(ROWS),
    pictures: int = 40,
    shared: Path | None = None,
) -> None:
    """Print a row for each model and format as it is measured."""
    torch.set_num_threads(1)
    root = shared_folder(shared)
    print(f"| model | format | error | differ | ms | AP | {' | '.join(SIZES)} |")
    print("|---|---|---:|---:|---:|---:|" + "---:|" * len(SIZES), flush=True)
    for name in rows:
        row = ROWS[name]
        truth = labelled_set(root, row.labels, "val").spread(pictures) if row.labels else None
        with tempfile.TemporaryDirectory() as folder:
            weights, class_names = _weights(row, root, Path(folder))
            for title, errors, model in _opened(weights, class_names, Path(folder)):
                cells = [name, title, *errors, f"{_ms(model):.0f}", *_precision(model, truth)]
                print(f"| {' | '.join(cells)} |", flush=True)


def _weights(row: Row, root: Path, folder: Path) -> tuple[str, str | None]:
    """The model's name or file, and where its class names lie."""
    if row.keys is None:
        path = root / "weights" / row.model
        names = row.class_names and str(root / "weights" / row.class_names)
        return (str(path) if path.is_file() else row.model), names
    torch.manual_seed(0)
    config = FAMILIES[row.keys["family"]].model_validate(row.keys)
    path = folder / "model.safetensors"
    write_model(path, LoadedModel(config.build(("a", "b", "c"), PX).eval(), config))
    return str(path), None


def _opened(
    weights: str, class_names: str | None, folder: Path
) -> Iterator[tuple[str, list[str], TileModel]]:
    """Each format's name, its errors, and the model in it."""
    torch_model = open_tile_model(weights, class_names=class_names, device="cpu", backend="torch")
    yield torch_model.runtime.partition(" in ")[2], ["", ""], torch_model
    for place, (title, (suffix, options)) in enumerate(FORMATS.items()):
        target = folder / f"{place}{suffix}"
        try:
            exported = export_model(
                weights, target, ExportOptions.model_validate(options), class_names=class_names
            )
        except ValueError as error:
            print(f"| | {title} | {str(error).splitlines()[0]} |", flush=True)
            continue
        found = exported.comparison
        errors = [f"{found.raw_error:.0e}", f"{found.num_lost} of {found.num_detections}"]
        yield title, errors, open_tile_model(target, device="cpu")


def _ms(model: TileModel) -> float:
    tile = textured_tiles(1, (model.in_channels, PX, PX))
    _, seconds = least_time(lambda: model.detect(tile, model.conf, 300))
    return 1e3 * seconds


def _precision(model: TileModel, truth: Index | None) -> list[str]:
    """AP in all and by size, in points."""
    if truth is None:
        return [""] * (1 + len(SIZES))
    metrics = evaluate(model, truth, EvaluateOptions(sizes=SIZES, num_resamples=0)).metrics
    found = [metrics[key] for key in ("AP", *(f"AP_{size}" for size in SIZES))]
    return ["" if value is None else f"{100 * value:.1f}" for value in found]


if __name__ == "__main__":
    run(main)
