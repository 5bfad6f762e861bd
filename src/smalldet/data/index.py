"""Index: format-neutral records of labelled pictures. Every reader makes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.class_names import class_key
from smalldet.columns import column, take

MASK_PX = 56
"""Side of the grids of masks: twice the 28 of Mask R-CNN's output."""


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One labelled picture.

    Args:
        path: the file.
        width: pixels.
        height: pixels.
        boxes: (N, 4) float32 xyxy pixels.
        labels: (N,) int64, positions in the Index's `class_names`.
        ignore: (N,) bool, crowd or ignore regions: neither hit nor false alarm.
        difficult: (N,) bool.
        rboxes: (N, 5) float32 (cx, cy, w, h, angle) or None.
        image_id: the source's own id.
        gsd_m: ground sample distance in metres a pixel, where known.
        unknown: classes of the Index that may occur here without a label.
        masks: (N, MASK_PX * MASK_PX / 8) uint8 or None, the shape of each object on a grid that
            fills its box, as packed bits; none is set where nobody has outlined the object.
    """

    path: Path
    width: int
    height: int
    boxes: NDArray[np.float32] = field(metadata=column())
    labels: NDArray[np.int64] = field(metadata=column())
    ignore: NDArray[np.bool_] = field(metadata=column())
    difficult: NDArray[np.bool_] = field(metadata=column())
    image_id: int
    rboxes: NDArray[np.float32] | None = field(default=None, metadata=column())
    gsd_m: float | None = None
    unknown: frozenset[int] = field(default_factory=frozenset)
    masks: NDArray[np.uint8] | None = field(default=None, metadata=column())


@dataclass(frozen=True, eq=False)
class Index:
    """Labelled pictures and the classes their labels point into."""

    class_names: tuple[str, ...]
    records: tuple[ImageRecord, ...]

    def __len__(self) -> int:
        return len(self.records)

    def counts(self) -> dict[str, int]:
        """Objects of each class, ignored ones left out."""
        totals = np.zeros(len(self.class_names), dtype=np.int64)
        for record in self.records:
            np.add.at(totals, record.labels[~record.ignore], 1)
        return dict(zip(self.class_names, totals.tolist(), strict=True))

    def spread(self, num_wanted: int | None) -> Index:
        """So many pictures, evenly spread over the set; all if None or where there are fewer."""
        if num_wanted is None or num_wanted >= len(self):
            return self
        step = len(self) / num_wanted
        records = tuple(self.records[int(i * step)] for i in range(num_wanted))
        return Index(self.class_names, records)

    def object_sides(self, oriented: bool = False) -> NDArray[np.float32]:
        """(N, 2) widths and heights of all objects in pixels, ignored ones left out.

        Args:
            oriented: of their oriented boxes, the longer side first, where there are such.
        """
        parts: list[NDArray[np.float32]] = []
        for record in self.records:
            own = ~record.ignore
            if oriented and record.rboxes is not None:
                parts.append(record.rboxes[own, 2:4])
            else:
                parts.append(record.boxes[own, 2:] - record.boxes[own, :2])
        return np.concatenate(parts)

    def renamed(
        self,
        class_names: Sequence[str],
        mapping: Mapping[str, str] | None = None,
        unknown: Sequence[str] = (),
    ) -> Index:
        """The same pictures with the classes of a run.

        Classes meet by name whatever the case and punctuation (`OtherVehicle` is `other vehicle`),
        or by `mapping` from a name here to a name of the run. An object whose class the run
        does not have becomes an ignore region of every class: it is trained neither as an
        object nor as background.

        Args:
            class_names: classes of the run.
            mapping: {name here: name in `class_names`}.
            unknown: classes of the run that may occur in these pictures without a label.

        Raises:
            ValueError: a name in `mapping` or `unknown` does not exist.
        """
        target = {class_key(name): i for i, name in enumerate(class_names)}
        renames: dict[str, str] = {}
        own = {class_key(name): name for name in self.class_names}
        for source, wanted in (mapping or {}).items():
            if class_key(source) not in own:
                raise ValueError(f"map names class {source!r}; the data has {list(own.values())}")
            if class_key(wanted) not in target:
                raise ValueError(f"map leads to class {wanted!r}; the run has {list(class_names)}")
            renames[class_key(source)] = class_key(wanted)
        missing = [name for name in unknown if class_key(name) not in target]
        if missing:
            raise ValueError(f"unknown names {missing}; the run has {list(class_names)}")
        table = np.array(
            [target.get(renames.get(class_key(n), class_key(n)), -1) for n in self.class_names],
            dtype=np.int64,
        )
        mute = frozenset(target[class_key(name)] for name in unknown)
        return Index(
            tuple(class_names),
            tuple(_relabelled(r, table, len(class_names), mute) for r in self.records),
        )


def _relabelled(
    record: ImageRecord, table: NDArray[np.int64], num_classes: int, unknown: frozenset[int]
) -> ImageRecord:
    labels = table[record.labels]
    kept = np.flatnonzero(labels >= 0)
    foreign = np.flatnonzero(labels < 0)
    rows = np.concatenate([kept, np.repeat(foreign, num_classes)])
    new_labels = np.concatenate([labels[kept], np.tile(np.arange(num_classes), len(foreign))])
    taken = take(record, rows)
    is_foreign = np.arange(len(rows)) >= len(kept)
    return replace(
        taken,
        labels=new_labels.astype(np.int64),
        ignore=taken.ignore | is_foreign,
        unknown=unknown,
    )


def joined(indexes: Sequence[Index]) -> Index:
    """One Index from several with the same classes, in the order given."""
    if not indexes:
        raise ValueError("no data sets to join")
    names = indexes[0].class_names
    if any(index.class_names != names for index in indexes):
        raise ValueError("data sets must be renamed to the same classes before they are joined")
    return Index(names, tuple(r for index in indexes for r in index.records))
