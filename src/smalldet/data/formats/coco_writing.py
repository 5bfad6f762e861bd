"""Writing COCO json: boxes, oriented boxes, outlines, and what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.coco_checks import Entry
from smalldet.data.formats.coco_places import default_images_dir
from smalldet.data.formats.mask_outlines import simple_rings
from smalldet.data.formats.picture_links import link_pictures
from smalldet.data.index import ImageRecord, Index

LOSES: tuple[str, ...] = ()


def write(index: Index, out_dir: str | Path, *, split: str = "train") -> list[Path]:
    """`{split}.json`, and links to the pictures in `images`; see `write_json`.

    Raises:
        FileNotFoundError: a picture does not exist.
        ValueError: a name in `images` is taken by another picture.
    """
    out_dir = Path(out_dir)
    links = link_pictures([record.path for record in index.records], out_dir / "images")
    records = [
        replace(record, path=link) for record, link in zip(index.records, links, strict=True)
    ]
    file = out_dir / f"{split}.json"
    write_json(Index(index.class_names, tuple(records)), file)
    return [file]


def write_json(index: Index, json_path: str | Path) -> None:
    """A COCO json that `read` makes the same Index of, to a thousandth of a pixel.

    Pictures are named from the folder that `read` starts at by default where they lie in it,
    else by their absolute path. Category ids count from 1. Outlines are polygons round the cells
    of the masks.
    """
    json_path = Path(json_path)
    folder = default_images_dir(json_path).absolute()
    images: list[Entry] = []
    annotations: list[Entry] = []
    for record in index.records:
        path = record.path.absolute()
        name = path.relative_to(folder) if path.is_relative_to(folder) else path
        image: Entry = {
            "id": record.image_id,
            "file_name": name.as_posix(),
            "width": record.width,
            "height": record.height,
        }
        if record.gsd_m is not None:
            image["gsd_m"] = record.gsd_m
        if record.unknown:
            image["not_exhaustive_category_ids"] = [label + 1 for label in sorted(record.unknown)]
        images.append(image)
        annotations += _annotations(record, first_id=len(annotations) + 1)
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(index.class_names)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_text(json_path, json.dumps(content))


def _annotations(record: ImageRecord, first_id: int) -> list[Entry]:
    boxes = record.boxes.astype(np.float64)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).round(3)
    areas = (xywh[:, 2] * xywh[:, 3]).round(3)
    entries: list[Entry] = [
        {
            "id": first_id + i,
            "image_id": record.image_id,
            "category_id": label + 1,
            "bbox": bbox,
            "area": area,
            "iscrowd": int(ignore),
        }
        for i, (label, bbox, area, ignore) in enumerate(
            zip(record.labels.tolist(), xywh.tolist(), areas.tolist(), record.ignore, strict=True)
        )
    ]
    for row in np.flatnonzero(record.difficult):
        entries[row]["difficult"] = 1
    if record.rboxes is not None:
        for entry, rbbox in zip(entries, record.rboxes.astype(float).tolist(), strict=True):
            entry["rbbox"] = [round(value, 6) for value in rbbox]
    if record.masks is not None:
        for row in np.flatnonzero(record.masks.any(axis=1)).tolist():
            x, y, w, h = entries[row]["bbox"]
            rings = simple_rings(record.masks[row], np.array([x, y, x + w, y + h]))
            entries[row]["segmentation"] = [ring.round(3).ravel().tolist() for ring in rings]
    return entries
