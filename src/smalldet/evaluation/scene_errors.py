"""Mistakes in pictures of several tiles: those of the tiling beside those of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from smalldet.columns import cat, take
from smalldet.data.index import Index
from smalldet.evaluation.caps import in_capped_tiles
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.errors import (
    DUPLICATE,
    ERROR_KINDS,
    FOREGROUND_IOU,
    LOCALISATION,
    MISSED,
    Errors,
    find_errors,
    overlapping,
)
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.metrics.average_precision import measure_by_size
from smalldet.evaluation.rows import Rows
from smalldet.evaluation.tile_views import TileViews
from smalldet.geometry.pairs import intersecting_pairs

SCENE_KINDS = (*ERROR_KINDS, "seam_cut", "seam_doubled", "seam_lost", "cap")
_CUT, _DOUBLED, _LOST, _CAP = range(len(ERROR_KINDS), len(SCENE_KINDS))
EDGE_PX = 2.0
"""How near to the edge of a tile a box ends that the edge has cut."""


@dataclass(frozen=True, eq=False)
class Places:
    """Objects and the tiles that show any of them: pairs (P,).

    Args:
        tiles: rows of the tiles.
        objects: rows of the objects, ignore regions among them.
        whole: whether the tile shows all of the object.
    """

    tiles: NDArray[np.int64]
    objects: NDArray[np.int64]
    whole: NDArray[np.bool_]


def scene_errors(comparison: Comparison, views: TileViews) -> dict[str, float | None]:
    """Every mistake at `conf` by its cause, and the average precision with and without the merge.

    - seam_cut: a loose box that ends at a tile's edge beyond which its object goes on;
    - seam_doubled: a duplicate of an object of which no tile shows two;
    - seam_lost: a missed object that a tile has found alone, or that no tile shows whole;
    - cap: a missed object in a tile whose limit left something out, or that a detection met which
      `max_detections` cut off;
    - the others as `errors_of` has them.

    `tile_AP` is the average precision of the tiles as pictures of their own, over the objects
    that they show whole; `scene_AP` is that of the merged pictures. Where it is lower, the tiling
    hurts.

    Returns:
        {name: value} over the pictures of several tiles; empty where there is none.
    """
    scenes = np.unique(views.pictures)
    if not len(scenes):
        return {}
    errors = find_errors(comparison)
    errors = take(errors, np.isin(errors.pictures, scenes))
    places = places_of(comparison.objects, views)
    kinds = _causes(comparison, views, errors, places)
    counts = np.bincount(kinds, minlength=len(SCENE_KINDS)).tolist()
    values: dict[str, float | None] = {"num_scenes": len(scenes)}
    values |= {f"errors_{name}": count for name, count in zip(SCENE_KINDS, counts, strict=True)}
    objects, found = comparison.objects, comparison.detections
    of_scenes = objects[np.isin(objects.pictures, scenes)], found[np.isin(found.pictures, scenes)]
    values["scene_AP"] = _ap(comparison, comparison.index, *of_scenes)
    shown = take(objects, places.objects)
    in_tiles = replace(shown, pictures=places.tiles, ignore=shown.ignore | ~places.whole)
    records = tuple(comparison.index.records[picture] for picture in views.pictures.tolist())
    tiles = Index(comparison.index.class_names, records)
    values["tile_AP"] = _ap(comparison, tiles, in_tiles, views.found)
    return values


def places_of(objects: Rows, views: TileViews) -> Places:
    """Which tiles show which objects."""
    num = len(views.windows)
    boxes = torch.from_numpy(np.concatenate([views.windows, objects.boxes]))
    pictures = torch.from_numpy(np.concatenate([views.pictures, objects.pictures]))
    side = (torch.arange(len(boxes)) >= num).long()
    first, second = intersecting_pairs(boxes, pictures, side)
    tiles, rows = first.numpy(), second.numpy() - num
    windows, inside = views.windows[tiles], objects.boxes[rows]
    whole = (inside[:, :2] >= windows[:, :2]) & (inside[:, 2:] <= windows[:, 2:])
    return Places(tiles, rows, np.logical_and.reduce(whole, axis=1))


def _causes(
    comparison: Comparison, views: TileViews, errors: Errors, places: Places
) -> NDArray[np.int64]:
    """(N,) positions in `SCENE_KINDS`."""
    kinds = errors.kinds.astype(np.int64)
    objects = comparison.objects
    seen = views.found.at_least(comparison.conf)
    rows, hits = _met_in_tiles(objects, seen, places)
    views_of = np.stack([rows, seen.pictures[hits]], axis=1)
    pairs, times = np.unique(views_of, axis=0, return_counts=True)
    twice = _marked(len(objects), pairs[times > 1, 0])
    found_alone = _marked(len(objects), rows)
    shown_whole = _marked(len(objects), places.objects[places.whole])
    too_many = in_capped_tiles(comparison, views) | _cut_off(comparison)
    left_out = _marked(len(objects), np.flatnonzero(too_many))

    about, missed = errors.objects, errors.kinds == MISSED
    doubled = (kinds == DUPLICATE) & ~twice[about]
    cut = (kinds == LOCALISATION) & _cut_by_an_edge(errors, objects, views)
    capped = missed & left_out[about]
    lost = missed & ~capped & (found_alone | ~shown_whole)[about]
    kinds[doubled], kinds[cut], kinds[capped], kinds[lost] = _DOUBLED, _CUT, _CAP, _LOST
    return kinds


def _marked(num: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(num + 1,) True at some rows; never at the last, which stands for no object."""
    marks = np.zeros(num + 1, dtype=np.bool_)
    marks[rows] = True
    return marks


def _met_in_tiles(
    objects: Rows, seen: Rows, places: Places
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of an object and a detection of a single tile that are of one class and place."""
    shown = replace(take(objects, places.objects), pictures=places.tiles)
    rows, hits, _ = overlapping(shown, seen, FOREGROUND_IOU)
    same = shown.labels[rows] == seen.labels[hits]
    return places.objects[rows[same]], hits[same]


def _cut_by_an_edge(errors: Errors, objects: Rows, views: TileViews) -> NDArray[np.bool_]:
    """(N,) whether the box ends at an edge of a tile that holds it, and its object goes on."""
    cut = np.zeros(len(errors), dtype=np.bool_)
    about = np.where(errors.objects >= 0, errors.objects, 0)
    for picture in np.unique(errors.pictures).tolist():
        rows = np.flatnonzero((errors.pictures == picture) & (errors.objects >= 0))
        tiles = views.windows[views.pictures == picture]
        boxes, whole = errors.boxes[rows], objects.boxes[about[rows]]
        for window in tiles:  # few beside the boxes
            inwards = np.concatenate([boxes[:, :2] - window[:2], window[2:] - boxes[:, 2:]], axis=1)
            outwards = np.concatenate(
                [window[:2] - whole[:, :2], whole[:, 2:] - window[2:]], axis=1
            )
            held = (inwards >= -EDGE_PX).all(axis=1)
            cut[rows] |= held & ((inwards <= EDGE_PX) & (outwards > EDGE_PX)).any(axis=1)
    return cut


def _cut_off(comparison: Comparison) -> NDArray[np.bool_]:
    """(objects,) met by a detection that was one too many in its picture."""
    met = np.zeros(len(comparison.objects), dtype=np.bool_)
    if comparison.cut_off is not None and len(comparison.cut_off):
        every = cat([comparison.detections, comparison.cut_off]).at_least(comparison.conf)
        met = match_boxes(comparison.index, comparison.objects, every).reached
    return met


def _ap(comparison: Comparison, index: Index, objects: Rows, found: Rows) -> float | None:
    measured = replace(
        comparison,
        index=index,
        objects=objects,
        detections=found,
        sizes={},
        units_per_px=None,
        cut_off=None,
    )
    return measure_by_size(measured, np.arange(len(index.class_names)))["AP"]
