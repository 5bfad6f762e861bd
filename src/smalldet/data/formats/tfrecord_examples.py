"""What one Example of a detection set holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.formats.bitmap_masks import bitmap_of, png_mask
from smalldet.data.formats.picture_files import picture_sizes
from smalldet.data.formats.tf_example import BYTES, FLOATS, INTS, NAMES, Feature, parse_example
from smalldet.data.formats.tfrecord_pictures import PictureFolder
from smalldet.data.index import MASK_PX

logger = logging.getLogger(__name__)

ENCODED, FILENAME, SOURCE_ID = "image/encoded", "image/filename", "image/source_id"
HEIGHT, WIDTH = "image/height", "image/width"
CORNERS = tuple(f"image/object/bbox/{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
TEXT, LABEL = "image/object/class/text", "image/object/class/label"
CROWD, GROUP = "image/object/is_crowd", "image/object/group_of"
DIFFICULT, MASK = "image/object/difficult", "image/object/mask"
# What rounding leaves over the border.
TOLERANCE = 0.01
EMPTY = Feature()


@dataclass(frozen=True, eq=False)
class Objects:
    """N objects of a picture.

    Args:
        size: the picture's width and height.
        boxes: (N, 4) float64 xyxy pixels.
        texts: (N) names, empty where there is none.
        numbers: (N,) int64 class numbers, -1 where there is none.
        ignore: (N,) bool, crowds and groups.
        difficult: (N,) bool.
        masks: (N, MASK_PX * MASK_PX / 8) uint8, see `ImageRecord`; (0, ...) where not asked for.
    """

    size: tuple[int, int]
    boxes: NDArray[np.float64]
    texts: list[str]
    numbers: NDArray[np.int64]
    ignore: NDArray[np.bool_]
    difficult: NDArray[np.bool_]
    masks: NDArray[np.uint8]


def objects_of(
    data: bytes, pictures: PictureFolder, number: int, where: str, with_masks: bool
) -> tuple[Path, str, Objects]:
    """The picture of a record as a file, its source id, and its objects.

    Args:
        data: the record.
        pictures: takes the picture.
        number: of the record in its set, from 1.
        where: begins the messages.
        with_masks: read masks too.

    Raises:
        ValueError: the record is wrong.
    """
    try:
        features = parse_example(data)
    except ValueError as error:  # text that is not UTF-8 among them
        raise ValueError(f"{where}: is no tf.train.Example: {error}") from None
    encoded = _of(features, ENCODED, BYTES, where).texts
    if len(encoded) != 1:
        raise ValueError(f"{where}: has {len(encoded)} image/encoded; a picture must lie in it")
    picture = pictures.put(encoded[0], _text(features, FILENAME, where), number, where)
    try:
        width, height = picture_sizes([picture])[0].tolist()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    _compare_size(features, (width, height), where)
    parts = _parts(features, where)
    count = len(parts)
    boxes = parts * [width, height, width, height]
    objects = Objects(
        size=(width, height),
        boxes=boxes,
        texts=_texts(features, count, where),
        numbers=_ints(features, LABEL, count, -1, where),
        ignore=_flags(features, CROWD, count, where) | _flags(features, GROUP, count, where),
        difficult=_flags(features, DIFFICULT, count, where),
        masks=_masks(features, boxes, (height, width), where) if with_masks else _no_masks(0),
    )
    nameless = [not t and n < 0 for t, n in zip(objects.texts, objects.numbers, strict=True)]
    if any(nameless):
        row = nameless.index(True) + 1
        raise ValueError(f"{where}: object {row} has neither class/text nor class/label")
    return picture, _text(features, SOURCE_ID, where), objects


def _of(features: Mapping[str, Feature], key: str, kind: int, where: str) -> Feature:
    feature = features.get(key, EMPTY)
    if feature.kind not in (0, kind):
        raise ValueError(f"{where}: {key} is {NAMES[feature.kind]}, not {NAMES[kind]}")
    return feature


def _text(features: Mapping[str, Feature], key: str, where: str) -> str:
    if features.get(key, EMPTY).kind == INTS:  # ids, by some writers
        return str(int(features[key].ints()[0])) if len(features[key].ints()) else ""
    texts = _of(features, key, BYTES, where).texts
    return _decoded(texts[0], key, where) if texts else ""


def _decoded(text: memoryview, key: str, where: str) -> str:
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{where}: {key} is not UTF-8 text") from None


def _parts(features: Mapping[str, Feature], where: str) -> NDArray[np.float64]:
    """(N, 4) corners from 0 to 1."""
    columns = [_of(features, key, FLOATS, where).floats() for key in CORNERS]
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1:
        raise ValueError(f"{where}: xmin, ymin, xmax, ymax have {counts} numbers; one each")
    parts = np.stack(columns, axis=1).astype(np.float64)
    wrong = ~((parts >= -TOLERANCE) & (parts <= 1 + TOLERANCE)).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{where}: object {row + 1} has xmin, ymin, xmax, ymax {parts[row].tolist()}, which "
            "are parts of the picture's width and height, from 0 to 1"
        )
    return parts


def _texts(features: Mapping[str, Feature], count: int, where: str) -> list[str]:
    texts = _of(features, TEXT, BYTES, where).texts
    if len(texts) not in (0, count):
        raise ValueError(f"{where}: has {len(texts)} class/text for {count} boxes")
    names: dict[bytes, str] = {}
    return [
        names.get(raw := bytes(text)) or names.setdefault(raw, _decoded(text, TEXT, where))
        for text in texts
    ] or [""] * count


def _ints(
    features: Mapping[str, Feature], key: str, count: int, missing: int, where: str
) -> NDArray[np.int64]:
    values = _of(features, key, INTS, where).ints()
    if len(values) not in (0, count):
        raise ValueError(f"{where}: has {len(values)} {key} for {count} boxes")
    return values if len(values) else np.full(count, missing, dtype=np.int64)


def _flags(features: Mapping[str, Feature], key: str, count: int, where: str) -> NDArray[np.bool_]:
    values = _ints(features, key, count, 0, where)
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"{where}: {key} is {values[~np.isin(values, (0, 1))][0]}, not 0 or 1")
    return values == 1


def _compare_size(features: Mapping[str, Feature], size: tuple[int, int], where: str) -> None:
    """Corners are parts of the picture as it is; a record that says another size is told of."""
    said = [_of(features, key, INTS, where).ints() for key in (WIDTH, HEIGHT)]
    if all(len(one) for one in said) and (int(said[0][0]), int(said[1][0])) != size:
        logger.warning(
            "%s: says %dx%d; its picture is %dx%d, and that is taken",
            where,
            int(said[0][0]),
            int(said[1][0]),
            *size,
        )


def _masks(
    features: Mapping[str, Feature], boxes: NDArray[np.float64], shape: tuple[int, int], where: str
) -> NDArray[np.uint8]:
    """From one PNG of the whole picture for each object."""
    texts = _of(features, MASK, BYTES, where).texts
    if len(texts) not in (0, len(boxes)):
        raise ValueError(f"{where}: has {len(texts)} masks for {len(boxes)} boxes")
    height, width = shape
    clipped = np.clip(boxes, 0, [width, height, width, height])
    masks = _no_masks(len(boxes))
    for row, text in enumerate(texts):
        if len(text) and (clipped[row, 2:] > clipped[row, :2]).all():
            pixels = png_mask(bytes(text), shape, f"{where}: object {row + 1}")
            masks[row] = bitmap_of(pixels, (0, 0, width, height)).grid(clipped[row])
    return masks


def _no_masks(count: int) -> NDArray[np.uint8]:
    return np.zeros((count, MASK_PX * MASK_PX // 8), dtype=np.uint8)
