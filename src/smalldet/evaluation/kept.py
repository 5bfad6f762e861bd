"""What a folder keeps of an evaluation, so that it can be compared with others later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats import coco
from smalldet.data.formats.json_files import load_object
from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import ClassMatch
from smalldet.evaluation.mask_codes import have_masks
from smalldet.evaluation.picture_names import unique_ids
from smalldet.evaluation.result_files import read_results
from smalldet.evaluation.result_shapes import holds_masks
from smalldet.evaluation.rows import detection_rows, segmentation

TRUTH, DETECTIONS, ABOUT = "truth.json", "detections.json", "about.json"


@dataclass(frozen=True, eq=False)
class Kept:
    """Detections over a truth, as a folder keeps them.

    Attributes:
        truth: the pictures with their labels.
        detections: one for each picture; its classes are those of the data.
        mapping: {class of the data that counts as another: that other}.
        name: of the model, for people.
        data: the labels, as they were given.
        conf: score from which its detections count.
        truth_sha256: `fingerprint` of the truth that it was measured on.
    """

    truth: Index
    detections: Sequence[Detections]
    mapping: Mapping[str, str]
    name: str
    data: str
    conf: float
    truth_sha256: str


@dataclass(frozen=True)
class About:
    """What an evaluation says of itself.

    Attributes:
        model: its name or file, as it was given.
        data: the labels, as they were given.
        conf: score from which detections count.
    """

    model: str = ""
    data: str = ""
    conf: float = 0.0


NOT_SAID = About()


def keep(
    folder: Path, truth: Index, classes: ClassMatch, detections: Sequence[Detections], about: About
) -> None:
    """Write `truth.json` (COCO), `detections.json` (COCO results) and `about.json`.

    Ids of pictures are the truth's own, or places from 1 where those are not unique; classes of the
    data count from 1. So pycocotools loads both files, one after the other. Masks are kept where
    both sides have them.
    """
    with_masks = have_masks(truth.records, detections)
    records = [
        replace(record, image_id=one, masks=record.masks if with_masks else None)
        for record, one in zip(truth.records, unique_ids(truth), strict=True)
    ]
    coco.write_json(Index(truth.class_names, tuple(records)), folder / TRUTH)
    write_coco_results(folder / DETECTIONS, classes, detections, with_masks)
    groups = zip(classes.truth.class_names, classes.groups, strict=True)
    said = {
        "model": about.model,
        "data": about.data,
        "conf": about.conf,
        "truth_sha256": fingerprint(truth),
        "classes": {name: [truth.class_names[label] for label in of] for name, of in groups},
    }
    write_text(folder / ABOUT, json.dumps(said, indent=1, ensure_ascii=False) + "\n")


def read_kept(folder: Path) -> Kept:
    """What `keep` wrote; the pictures need not be there any more.

    Raises:
        FileNotFoundError: the folder lacks one of the files.
        ValueError: a file is not what `keep` writes.
    """
    for name in (TRUTH, DETECTIONS, ABOUT):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder}: has no {name}; give a folder that `smalldet evaluate --out` or "
                "`smalldet train` wrote"
            )
    about = load_object(folder / ABOUT)
    with_masks = holds_masks(folder / DETECTIONS)
    truth = coco.read(folder / TRUTH, with_masks=with_masks, check_pictures=False)
    results = read_results(folder / DETECTIONS, truth)
    groups = list(about["classes"].values())
    own = tuple(group[0] for group in groups)
    table = {truth.class_names.index(name): place for place, name in enumerate(own)}
    mapping = {name: group[0] for group in groups if len(group) > 1 for name in group}
    return Kept(
        truth,
        [_with_classes(one, own, table) for one in results.detections],
        mapping,
        str(folder),
        str(about["data"]),
        float(about["conf"]),
        str(about["truth_sha256"]),
    )


def _with_classes(
    detections: Detections, class_names: tuple[str, ...], table: Mapping[int, int]
) -> Detections:
    labels = detections.labels.clone()
    for old, new in table.items():
        labels[detections.labels == old] = new
    return replace(detections, labels=labels, class_names=class_names)


def fingerprint(truth: Index) -> str:
    """SHA-256 of names and sizes of pictures, classes, and boxes to a hundredth of a pixel."""
    digest = hashlib.sha256(json.dumps(truth.class_names).encode())
    for record in truth.records:
        about = [record.path.name, record.width, record.height, sorted(record.unknown)]
        digest.update(json.dumps(about).encode())
        columns = (record.boxes.astype(np.float64).round(2) + 0.0, record.labels, record.ignore)
        for column in columns:
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def write_coco_results(
    path: Path, classes: ClassMatch, detections: Sequence[Detections], with_masks: bool = False
) -> None:
    """Write the detections of the common classes as COCO results.

    `category_id` counts the classes of the data from 1. Pictures go by their own ids, or by their
    place from 1 where ids are not unique. Masks are run-length codes, oriented boxes an `rbbox`.
    """
    ids, index = unique_ids(classes.truth), classes.truth
    found = [classes.relabel(of_picture) for of_picture in detections]
    rows = detection_rows(found, masks_in=index if with_masks else None)
    columns: dict[str, list[Any]] = {
        "image_id": np.array(ids, dtype=np.int64)[rows.pictures].tolist(),
        "category_id": (classes.data_labels[rows.labels] + 1).tolist(),
        "bbox": rows.boxes_xywh.round(2).tolist(),
        "score": rows.scores.round(5).tolist(),
    }
    if rows.masks is not None:
        columns["segmentation"] = segmentation(index, rows)
    if rows.rboxes is not None:
        columns["rbbox"] = rows.rboxes.round(6).tolist()
    lines = [
        json.dumps(dict(zip(columns, row, strict=True)))
        for row in zip(*columns.values(), strict=True)
    ]
    write_text(path, "[" + ",\n".join(lines) + "]\n")
