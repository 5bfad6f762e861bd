"""Sets that somebody has cut into tiles before: by their names, and by labels at edges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import (
    MAX_EXAMPLES,
    Example,
    Finding,
    Severity,
    counted,
    share,
)
from smalldet.checking.labelled_set import LabelledSet
from smalldet.data.tile_names import scenes_of

MIN_SHARE_NAMED = 0.5
EDGE_PX = 1.0
TIMES_CHANCE = 1.5
MIN_TOUCHING = 20
PART_FRAC = 0.25


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Tiles of one scene in two splits, sets of tiles, and objects that edges cut to pieces."""
    scenes = scenes_of([record.path.stem for record in labelled.records])
    rows = [row for tiles in scenes.values() for row in tiles]
    tiled = len(rows) >= MIN_SHARE_NAMED * len(labelled.records) > 0
    if tiled:
        split = [
            (scene, tiles)
            for scene, tiles in scenes.items()
            if len({labelled.split_of[row] for row in tiles}) > 1
        ]
        if split:
            yield Finding(
                Severity.WARNING,
                len(split),
                f"{counted(len(split), 'scene has', 'scenes have')} tiles in two splits, by "
                "their names",
                "keep all tiles of a scene in one split: neighbours share objects and light",
                _examples(labelled, split),
            )
        yield Finding(
            Severity.NOTE,
            len(rows),
            f"{len(rows):,} of {counted(len(labelled.records), 'picture')} are named like tiles of "
            f"{counted(len(scenes), 'scene')}",
            "train on the whole scenes if you have them: smalldet cuts its own tiles, and merges "
            "objects over their edges",
            _examples(labelled, list(scenes.items())),
        )
    yield from _edges(labelled, tiled)


def _examples(labelled: LabelledSet, scenes: list[tuple[str, list[int]]]) -> tuple[Example, ...]:
    return tuple(
        Example(
            labelled.records[tiles[0]].path,
            caption=f"{scene}: {counted(len(tiles), 'tile')}",
            other=labelled.records[tiles[1]].path,
        )
        for scene, tiles in scenes[:MAX_EXAMPLES]
    )


def _edges(labelled: LabelledSet, tiled: bool) -> Iterator[Finding]:
    """Objects at the borders, against what a random window cuts: its side over the picture's."""
    objects = labelled.objects
    low, high = objects.boxes[:, :2], objects.frames - objects.boxes[:, 2:]
    touching = np.asarray(((low < EDGE_PX) | (high < EDGE_PX)).any(axis=1))
    num = int(touching.sum())
    if num < MIN_TOUCHING or touching.all():
        return
    middle = _usual_sides(labelled, touching)
    chance = float(np.minimum((middle / objects.frames).sum(axis=1), 1).mean())
    parts = touching & (objects.sides.prod(axis=1) < PART_FRAC * middle.prod(axis=1))
    much = num > TIMES_CHANCE * chance * len(objects)
    if not (tiled or much):
        return
    rows = np.flatnonzero(parts if parts.any() else touching)
    yield Finding(
        Severity.WARNING if much else Severity.NOTE,
        num,
        f"{num:,} of {counted(len(objects), 'object')} ({share(num, len(objects))}) touch a border "
        f"of their picture, where chance gives {100 * chance:.2g} %; {int(parts.sum()):,} are less "
        "than a quarter of their class's usual size",
        "delete pieces that show too little, or take the pictures from before they were cut",
        labelled.examples(rows),
    )


def _usual_sides(labelled: LabelledSet, touching: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, 2) median sides of the objects of each one's class that no border cuts."""
    objects = labelled.objects
    usual = np.tile(np.median(objects.sides[~touching], axis=0), (len(labelled.class_names), 1))
    for label in np.unique(objects.labels[~touching]).tolist():
        whole = ~touching & (objects.labels == label)
        usual[label] = np.median(objects.sides[whole], axis=0)
    return usual[objects.labels]
