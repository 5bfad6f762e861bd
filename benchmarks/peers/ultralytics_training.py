r"""Train an Ultralytics model on a COCO json and write its detections: run by the peer's Python.

    PYTHON benchmarks/peers/ultralytics_training.py TRAIN.json VAL.json --start yolo26n.pt \
        --minutes 10 --out DIR

Needs `ultralytics`; knows nothing of smalldet. `DIR/detections.json` holds COCO results whose
`category` is a class name, `DIR/speed.json` how many pictures the training saw. With `--obb` the
json's `rbbox` are learned: take `--start yolo26n-obb.yaml`, with `--weights` of an upright model.
"""

import argparse
import json
import math
import resource
import time
from pathlib import Path

import torch
from ultralytics import YOLO

MAX_DETECTIONS = 1500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--start", required=True, help="checkpoint .pt, or .yaml for scratch")
    parser.add_argument(
        "--weights", help="checkpoint .pt whose fitting weights a .yaml starts from"
    )
    parser.add_argument("--obb", action="store_true", help="oriented boxes")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = given.out.resolve()
    names = [category["name"] for category in json.loads(given.train.read_text())["categories"]]
    for part, path in (("train", given.train), ("val", given.val)):
        write_yolo_set(path, names, folder / "set", part, given.obb)
    text = {"path": str(folder / "set"), "train": "images/train", "val": "images/val"}
    (folder / "set.yaml").write_text(json.dumps({**text, "names": dict(enumerate(names))}))
    device = 0 if torch.cuda.is_available() else "cpu"

    model = YOLO(given.start)
    if given.weights:
        model.load(given.weights)
    began = time.monotonic()
    model.train(
        data=str(folder / "set.yaml"), imgsz=given.imgsz, batch=given.batch, device=device,
        time=given.minutes / 60, epochs=1000, workers=given.workers, cache="ram", val=False,
        plots=False, project=str(folder), name="run", exist_ok=True, verbose=False,
        seed=given.seed,
    )  # fmt: skip
    seconds = time.monotonic() - began
    last = folder / "run" / "weights" / "last.pt"
    epochs = sum(1 for _ in (folder / "run" / "results.csv").open()) - 1
    pictures = len(json.loads(given.train.read_text())["images"])
    speed = {
        "seconds": seconds, "epochs": epochs, "pictures_per_s": epochs * pictures / seconds,
        "cpu_seconds": resource.getrusage(resource.RUSAGE_SELF).ru_utime,
    }  # fmt: skip
    (folder / "speed.json").write_text(json.dumps(speed))
    (folder / "detections.json").write_text(json.dumps(detections(last, given, device)))


def write_yolo_set(path: Path, names: list[str], folder: Path, part: str, obb: bool) -> None:
    """Pictures as links, labels as text; regions to ignore have no counterpart and are left out."""
    content = json.loads(path.read_text())
    classes = {c["id"]: names.index(c["name"]) for c in content["categories"]}
    for kind in ("images", "labels"):
        (folder / kind / part).mkdir(parents=True, exist_ok=True)
    lines: dict[int, list[str]] = {image["id"]: [] for image in content["images"]}
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for row in content["annotations"]:
        if row.get("iscrowd"):
            continue
        width, height = sizes[row["image_id"]]
        x, y, w, h = row["bbox"]
        values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
        if obb:
            corners = corners_of(*row["rbbox"])
            values = [v / side for x, y in corners for v, side in ((x, width), (y, height))]
            # Ultralytics takes no corner outside of the picture.
            values = [min(max(v, 0.0), 1.0) for v in values]
        text = " ".join(f"{value:.6f}" for value in values)
        lines[row["image_id"]].append(f"{classes[row['category_id']]} {text}")
    for image in content["images"]:
        source = picture(path, image["file_name"])
        name = f"{image['id']}{source.suffix}"
        link = folder / "images" / part / name
        if not link.exists():
            link.symlink_to(source)
        label = (folder / "labels" / part / name).with_suffix(".txt")
        label.write_text("\n".join(lines[image["id"]]))


def corners_of(cx: float, cy: float, w: float, h: float, angle: float) -> list[tuple]:
    """Four corners in order; the angle is clockwise on the screen."""
    ax, ay = math.cos(angle) * w / 2, math.sin(angle) * w / 2
    bx, by = -math.sin(angle) * h / 2, math.cos(angle) * h / 2
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return [(cx + i * ax + j * bx, cy + i * ay + j * by) for i, j in signs]


def picture(path: Path, name: str) -> Path:
    """Where a picture of a COCO json lies: beside it, or in its folder `images`."""
    beside = path.resolve().parent / name
    return beside if beside.exists() else path.resolve().parent / "images" / name


def detections(weights: Path, given: argparse.Namespace, device: int | str) -> list[dict]:
    """COCO results of the validation pictures."""
    model = YOLO(weights)
    for module in model.model.modules():
        if hasattr(module, "max_det"):
            module.max_det = MAX_DETECTIONS  # the NMS-free head keeps 300 unless told
    rows = []
    for image in json.loads(given.val.read_text())["images"]:
        found = model.predict(
            str(picture(given.val, image["file_name"])), imgsz=given.imgsz, conf=0.001,
            max_det=MAX_DETECTIONS, device=device, verbose=False,
        )[0]  # fmt: skip
        found = found.obb if given.obb else found.boxes
        turned = found.xywhr.tolist() if given.obb else [None] * len(found)
        for (x1, y1, x2, y2), score, label, rbox in zip(
            found.xyxy.tolist(), found.conf.tolist(), found.cls.int().tolist(), turned, strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            row = {"image_id": image["id"], "bbox": box, "score": score}
            if rbox is not None:
                row["rbbox"] = rbox
            rows.append({**row, "category": model.names[label]})
    return rows


if __name__ == "__main__":
    main()
