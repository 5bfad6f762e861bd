"""COCO's list of results: what `COCO.loadRes` takes, by the ids of a labelled set."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smalldet.class_names import class_key
from smalldet.data.formats.json_files import list_in, load_object
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.tables import coco_columns
from smalldet.wording import shortened

logger = logging.getLogger(__name__)

KEYS = frozenset(("images", "categories", "id", "name", "file_name"))
NAMES_SHOWN = 3
NO_ID = -1


def check_ids(path: Path, maps: MapOptions) -> None:
    """Raises a ValueError where ids are lacking, or what shall have them cannot be read."""
    read_ids(path, maps)


def write_coco_results(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """One list for all pictures: image_id, category_id, bbox as x, y, w, h in pixels, and score.

    A mask is the `segmentation` as run-length code, an oriented box that by its corners, and
    `rbbox`. Pictures and classes go by the ids of the labelled set `maps.ids`, whose names they
    have. Those that it lacks are left out, and a warning counts them.

    Raises:
        FileNotFoundError, ValueError: the set cannot be read, has none of the pictures, or several
            that a picture's name may mean.
    """
    pictures, classes = read_ids(path, maps)
    by_name: dict[str, list[str]] = {}
    for name in pictures:
        by_name.setdefault(name.rpartition("/")[2], []).append(name)
    rows: list[dict[str, Any]] = []
    strangers: list[str] = []
    unknown: Counter[str] = Counter()
    for result in results:
        name = _named(result.name, by_name, maps.ids)
        if name is None:
            strangers.append(result.name)
            continue
        ids = [classes.get(class_key(name), NO_ID) for name in result.detections.class_names]
        found = result_rows(result, pictures[name], ids)
        rows += [row for row in found if row["category_id"] != NO_ID]
        counts = result.detections.counts().items()
        unknown.update({name: num for name, num in counts if class_key(name) not in classes})
    if len(strangers) == len(results):
        raise ValueError(
            f"{path}: {maps.ids} has no picture {strangers[0]}, and none of the others"
        )
    if strangers:
        told = shortened(strangers, NAMES_SHOWN)
        logger.warning("%s lacks %d pictures, left out: %s", maps.ids, len(strangers), told)
    if unknown:
        told = ", ".join(f"{num} {name}" for name, num in unknown.most_common())
        logger.warning("%s has no such classes, left out: %s", maps.ids, told)
    path.write_text("[" + ",\n".join(map(json.dumps, rows)) + "]\n", encoding="utf-8")


def result_rows(
    result: Result, image_id: int | str, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """COCO results of one picture.

    Args:
        result: N detections.
        image_id: of the picture.
        category_ids: of each class of the detector.
    """
    columns = coco_columns(result)
    columns = {
        "category_id": [category_ids[label] for label in result.detections.labels.tolist()],
        **columns,
    }
    return [
        {"image_id": image_id, **dict(zip(columns, values, strict=True))}
        for values in zip(*columns.values(), strict=True)
    ]


def read_ids(path: Path, maps: MapOptions) -> tuple[dict[str, int | str], dict[str, int]]:
    """{file name: id} and {class_key of a class: id} of the labelled set.

    Raises:
        FileNotFoundError, ValueError: there is no set, or it has no images and categories with ids
            and names.
    """
    if maps.ids is None:
        raise ValueError(
            f"{path}: COCO results name pictures and classes by the ids of a labelled set: give "
            "its json by --ids, or write the whole COCO file with --format coco"
        )
    content = load_object(maps.ids, keys=KEYS)
    where = f"{maps.ids}: the file"
    images, categories = (list_in(content, key, where) for key in ("images", "categories"))
    try:
        pictures = {str(one["file_name"]).replace("\\", "/"): one["id"] for one in images}
        classes = {class_key(str(one["name"])): one["id"] for one in categories}
    except (KeyError, TypeError):
        raise ValueError(f"{maps.ids}: images need id, file_name; categories id, name") from None
    return pictures, classes


def _named(name: str, by_name: dict[str, list[str]], ids: Path | None) -> str | None:
    """The file name of a set that is meant by a path: of several, the one with most of its end."""
    parts = name.replace("\\", "/").split("/")
    found = by_name.get(parts[-1], [])
    shared = [_shared_end(parts, one.split("/")) for one in found]
    best = [one for one, num in zip(found, shared, strict=True) if num == max(shared)]
    if len(best) > 1:
        raise ValueError(f"{name}: may be {best[0]} or {best[1]} of {ids}")
    return best[0] if best else None


def _shared_end(one: list[str], other: list[str]) -> int:
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
