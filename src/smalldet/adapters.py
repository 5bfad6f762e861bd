"""Adapters: detections as the objects of other libraries, which are imported when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.detections import Detections, Picture
from smalldet.geometry.masks import pixels_of
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result
from smalldet.inference.writers.coco_results import result_rows
from smalldet.inference.writers.layers import detection_layer
from smalldet.inference.writers.placing import named_crs, quads
from smalldet.inference.writers.tables import table_columns

MAX_MASK_BYTES = 4 << 30


def to_supervision(detections: Detections) -> Any:
    """`supervision.Detections`: `xyxy`, `confidence`, `class_id`, and `class_name` in its data.

    Oriented boxes are `xyxyxyxy` in its data, their (N, 4, 2) corners, as supervision has them.
    Masks become (N, height, width) bool.

    Raises:
        ImportError: supervision is not installed.
        ValueError: there are masks, and the picture's size is unknown or so large that they would
            take more than 4 GiB.
    """
    supervision = _imported("supervision")
    result = _result(detections)
    found = result.detections
    data: dict[str, Any] = {"class_name": np.array(found.named(), dtype=str)}
    if found.rboxes is not None:
        data["xyxyxyxy"] = quads(result).astype(np.float32)
    return supervision.Detections(
        xyxy=found.boxes.numpy().astype(np.float32),
        mask=None if found.masks is None else _whole_masks(result),
        confidence=found.scores.numpy(),
        class_id=found.labels.numpy(),
        data=data,
    )


def to_coco(
    detections: Detections,
    image_id: int | str = 1,
    category_ids: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """A list of COCO results, what pycocotools' `COCO.loadRes` takes: one dict for each detection.

    Each has `image_id`, `category_id`, `bbox` (x, y, w, h in pixels) and `score`; a mask is its
    `segmentation` as run-length code, an oriented box that by its corners, and `rbbox`.

    Args:
        detections: of one picture.
        image_id: its id in the labelled set.
        category_ids: {class name: id in the labelled set}; the classes of the detector counted from
            1 if None.

    Raises:
        ValueError: a class was found that has no id, or there are masks and the picture's size is
            unknown.
    """
    names = detections.class_names
    ids = dict(zip(names, range(1, len(names) + 1), strict=True))
    if category_ids is not None:
        lacking = [name for name in detections.counts() if name not in category_ids]
        if lacking:
            raise ValueError(f"category_ids has no {', '.join(lacking)}; it has {[*category_ids]}")
        ids = dict(category_ids)
    result = _result(detections)
    if detections.masks is not None:
        _size(result)
    return result_rows(result, image_id, [ids.get(name, 0) for name in names])


def to_pandas(detections: Detections) -> Any:
    """`pandas.DataFrame`, a row each, with the columns of a .csv.

    `id` from 1, `source`, `class`, `score`, `x1`, `y1`, `x2`, `y2` in pixels; with oriented boxes
    `cx`, `cy`, `w`, `h` and `angle_rad`; of a picture with a place on the map also that of the
    centre and sizes in metres.

    Raises:
        ImportError: pandas is not installed.
    """
    columns = table_columns(_result(detections))
    return _imported("pandas").DataFrame(columns)


def to_geopandas(detections: Detections, crs: str | None = None) -> Any:
    """`geopandas.GeoDataFrame`: the boxes or oriented boxes as polygons on the map.

    Columns are those of the files of maps: `id`, `class`, `score`, `source`, and place and size on
    the ground. Of a picture without a place the polygons are in pixels, without a CRS.

    Args:
        detections: of one picture.
        crs: such as EPSG:4326; that of the picture if None.

    Raises:
        ImportError: geopandas is not installed.
        ValueError: `crs` is unknown, or the picture has no place on a map.
    """
    geopandas = _imported("geopandas")
    result = _result(detections)
    if crs is not None and not result.georeferenced:
        raise ValueError(f"{result.name or 'the picture'}: has no place on a map; leave out crs")
    target = result.crs if crs is None else named_crs(crs)
    if not result.georeferenced:
        target = None
    layer = detection_layer([result], target, MapOptions())
    wkt = None if target is None else target.to_wkt()
    return geopandas.GeoDataFrame(layer.columns, geometry=list(layer.shapes), crs=wkt)


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"needs {package}: pip install {package} ({error})") from error


def _result(detections: Detections) -> Result:
    """As the writers of files take them."""
    picture = detections.picture or Picture("", 0, 0)
    return Result(
        picture.name,
        picture.name,
        (),
        picture.width,
        picture.height,
        picture.crs,
        picture.transform,
        detections.to("cpu"),
    )


def _size(result: Result) -> tuple[int, int]:
    if not result.width:
        raise ValueError("masks need the picture's size: set `picture` of the Detections")
    return result.width, result.height


def _whole_masks(result: Result) -> NDArray[np.bool_]:
    """(N, height, width), each object's pixels."""
    found, (width, height) = result.detections, _size(result)
    assert found.masks is not None
    if len(found) * width * height > MAX_MASK_BYTES:
        raise ValueError(
            f"{result.name}: {len(found)} masks of {width}x{height} px take more than 4 GiB; take "
            "fewer detections, or leave the masks out: dataclasses.replace(found, masks=None)"
        )
    whole = np.zeros((len(found), height, width), dtype=np.bool_)
    for row, (mask, box) in enumerate(zip(found.masks, found.boxes, strict=True)):
        x, y, pixels = pixels_of(mask, box)
        left, top = max(-x, 0), max(-y, 0)
        inside = pixels[top : max(height - y, 0), left : max(width - x, 0)].numpy()
        rows, columns = inside.shape
        whole[row, y + top : y + top + rows, x + left : x + left + columns] = inside
    return whole
