"""The checks, in one table. A new one is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from smalldet.checking.checks import (
    angle_edges,
    angles,
    box_shapes,
    class_names,
    classes,
    corner_origin,
    doubled_boxes,
    object_counts,
    object_sizes,
    picture_files,
    picture_names,
    readers,
    same_pictures,
    tiled_before,
)
from smalldet.checking.findings import Finding
from smalldet.checking.labelled_set import LabelledSet


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes:
        name: as findings carry it.
        find: what it finds in a set.
        quick: it looks at labels alone, and takes no file in hand: part of every training.
    """

    name: str
    find: Callable[[LabelledSet], Iterator[Finding]]
    quick: bool = True


# Findings of one severity stand in this order.
CHECKS: tuple[Check, ...] = (
    Check("readers", readers.find),
    Check("picture-files", picture_files.find, quick=False),
    Check("same-pictures", same_pictures.find, quick=False),
    Check("tiled-before", tiled_before.find),
    Check("picture-names", picture_names.find),
    Check("doubled-boxes", doubled_boxes.find),
    Check("box-shapes", box_shapes.find),
    Check("corner-origin", corner_origin.find),
    Check("angles", angles.find),
    Check("angle-edges", angle_edges.find, quick=False),
    Check("class-names", class_names.find),
    Check("classes", classes.find),
    Check("object-counts", object_counts.find),
    Check("object-sizes", object_sizes.find),
)
