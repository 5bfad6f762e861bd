"""Small sets in the layouts of public benchmarks: names, folders and formats as published.

Bright squares of 6 to 16 px on noise, in pictures of 64 px.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin

SIDE = 64
NUM_TRAIN, NUM_VAL, NUM_OBJECTS = 4, 2, 3
AITOD_CLASSES = (
    "airplane", "bridge", "storage-tank", "ship", "swimming-pool", "vehicle", "person", "wind-mill",
)  # fmt: skip

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, width, height."""


def drawn(num: int, seed: int) -> Iterator[tuple[Pixels, list[Box]]]:
    """Pictures and the boxes of their squares."""
    rng = np.random.default_rng(seed)
    for _ in range(num):
        pixels = rng.integers(20, 70, (SIDE, SIDE, 3), dtype=np.uint8)
        boxes: list[Box] = []
        for cell in rng.choice(4, NUM_OBJECTS, replace=False).tolist():
            side = int(rng.integers(6, 17))
            x, y = (place * 32 + int(rng.integers(1, 14)) for place in divmod(cell, 2))
            pixels[y : y + side, x : x + side] = 230
            boxes.append((x, y, side, side))
        yield pixels, boxes


def save(pixels: Pixels, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def splits() -> Iterator[tuple[str, int, int]]:
    """(split, pictures, seed)."""
    yield from (("train", NUM_TRAIN, 0), ("val", NUM_VAL, 1))


def coco_json(
    path: Path, folder: Path, num: int, seed: int, categories: dict[int, str], suffix: str
) -> None:
    """A COCO json and its pictures; the squares are of its first category."""
    images, annotations = [], []
    for row, (pixels, boxes) in enumerate(drawn(num, seed)):
        file_name = f"{seed:06}{row:06}{suffix}"
        save(pixels, folder / file_name)
        images.append({"id": row, "file_name": file_name, "width": SIDE, "height": SIDE})
        for x, y, w, h in boxes:
            own = {"id": len(annotations), "image_id": row, "category_id": min(categories)}
            annotations.append({**own, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0})
    # of two such annotations in the published instances_train2017.json
    flat = {"id": len(annotations), "image_id": 0, "category_id": min(categories), "iscrowd": 0}
    annotations.append({**flat, "bbox": [9.98, 18.56, 5.54, 0.0], "area": 0.0})
    named = [{"id": number, "name": name} for number, name in categories.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": named}
    path.write_text(json.dumps(content), encoding="utf-8")


def coco(root: Path) -> None:
    for split, num, seed in splits():
        path = root / "annotations" / f"instances_{split}2017.json"
        coco_json(path, root / f"{split}2017", num, seed, {1: "person", 3: "car"}, ".jpg")
        (root / "annotations" / f"captions_{split}2017.json").write_text("{}", encoding="utf-8")


def aitod(root: Path) -> None:
    categories = dict(enumerate(AITOD_CLASSES, start=1))
    for split, num, seed in splits():
        path = root / "annotations" / f"aitodv2_{split}.json"
        coco_json(path, root / "images" / split, num, seed, categories, ".png")


def visdrone(root: Path) -> None:
    """Cars, and in each picture a region to ignore and an object of no class."""
    for split, num, seed in splits():
        folder = root / f"VisDrone2019-DET-{split}"
        (folder / "annotations").mkdir(parents=True)
        for row, (pixels, boxes) in enumerate(drawn(num, seed)):
            stem = f"00000{seed}_0{row:04}_d_000000{row}"
            save(pixels, folder / "images" / f"{stem}.jpg")
            lines = [f"{x},{y},{w},{h},1,4,0,0" for x, y, w, h in boxes]
            lines += ["0,0,20,20,0,0,0,0", "50,50,9,9,1,11,0,0,"]
            text = "\n".join(lines) + "\n"
            (folder / "annotations" / f"{stem}.txt").write_text(text, encoding="utf-8")


def dota(root: Path) -> None:
    """Small vehicles, the third of each picture difficult; labels as labelTxt-v1.0 unpacks."""
    for split, num, seed in splits():
        labels = root / split / "labelTxt-v1.0" / "labelTxt"
        labels.mkdir(parents=True)
        for row, (pixels, boxes) in enumerate(drawn(num, seed)):
            save(pixels, root / split / "images" / f"P{seed}00{row}.png")
            lines = ["imagesource:GoogleEarth", "gsd:0.146343590398"]
            for place, (x, y, w, h) in enumerate(boxes):
                corners = f"{x} {y} {x + w} {y} {x + w} {y + h} {x} {y + h}"
                lines.append(f"{corners} small-vehicle {int(place == 2)}")
            (labels / f"P{seed}00{row}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def xview(root: Path) -> None:
    """Small cars in GeoTIFFs of 0.3 m, and what is wrong with the published file."""
    (root / "train_images").mkdir(parents=True)
    features = [{"type": "Feature", "properties": _of_xview("1395.tif", "1,2,9,9", 18)}]
    for row, (pixels, boxes) in enumerate(drawn(8, seed=0)):
        name = f"{row + 1}.tif"
        place = {"crs": "EPSG:32633", "transform": from_origin(5e5 + 1e3 * row, 5e6, 0.3, 0.3)}
        size = {"width": SIDE, "height": SIDE, "count": 3, "dtype": "uint8"}
        with rasterio.open(root / "train_images" / name, "w", "GTiff", **size, **place) as file:
            file.write(pixels.transpose(2, 0, 1))
        for x, y, w, h in boxes:
            said = _of_xview(name, f"{x},{y},{x + w},{y + h}", 18)
            features.append({"type": "Feature", "properties": said})
        features.append({"type": "Feature", "properties": _of_xview(name, "52,52,60,60", 75)})
    content = {"type": "FeatureCollection", "features": features}
    (root / "xView_train.geojson").write_text(json.dumps(content), encoding="utf-8")


def _of_xview(image: str, bounds: str, kind: int) -> dict[str, object]:
    return {"bounds_imcoords": bounds, "type_id": kind, "image_id": image, "cat_id": "104001003108"}


BUILDERS: dict[str, Callable[[Path], None]] = {
    "aitod-v2": aitod,
    "coco": coco,
    "dota-v1": dota,
    "visdrone": visdrone,
    "xview": xview,
}
