"""What was found of a drawn scene: true, found, missed and false alarms by class and size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.assignment import Preferences, assign
from smalldet.evaluation.candidates import by_oriented_iou
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.sizes import SIZE_RANGES_PX


@dataclass(frozen=True)
class Tally:
    """Counts of one class and size range, at IoU 0.5.

    It is that of oriented boxes where the detector gives them, and so are the sizes.

    Args:
        class_name: a class, or `all`.
        size: a name of `SIZE_RANGES_PX`, or `all`.
        num_true: objects that are there.
        num_found: those that a detection of their class meets.
        num_false: detections of this class and size that meet no object.
    """

    class_name: str
    size: str
    num_true: int
    num_found: int
    num_false: int

    @property
    def num_missed(self) -> int:
        return self.num_true - self.num_found


def tally(truth: Index, found: Detections, conf: float) -> list[Tally]:
    """Count what was found of a scene of known truth, strongest detections matched first.

    Returns:
        One Tally for each class and size that occurs, and one of each class over all sizes.

    Raises:
        ValueError: the detector has no class of the truth.
    """
    compared = compare(truth, [found], conf=conf, max_detections=max(1, len(found)))
    met = _met_oriented(compared) if compared.is_oriented else _met(compared)
    rows: list[Tally] = []
    for label, name in enumerate(compared.index.class_names):
        of_true, of_found = compared.objects.labels == label, met.labels == label
        for size, (low, high) in (*SIZE_RANGES_PX.items(), ("all", (0.0, math.inf))):
            here = of_true & _within(met.true_sides, low, high)
            false = of_found & _within(met.found_sides, low, high) & met.false_alarm
            counts = (here, here & met.reached, false)
            row = Tally(name, size, *(int(mask.sum()) for mask in counts))
            if size == "all" or row.num_true or row.num_false:
                rows.append(row)
    return rows


@dataclass(frozen=True, eq=False)
class _Met:
    """Which of N detections from the confidence on meet which of M objects.

    Args:
        labels: (N,) of the detections.
        false_alarm: (N,) bool.
        reached: (M,) bool, objects that are met.
        true_sides: (M,) square roots of areas.
        found_sides: (N,) likewise.
    """

    labels: NDArray[np.int64]
    false_alarm: NDArray[np.bool_]
    reached: NDArray[np.bool_]
    true_sides: NDArray[np.float64]
    found_sides: NDArray[np.float64]


def _met(compared: Comparison) -> _Met:
    one = compared.at_conf
    sides = np.sqrt(one.truth.areas), np.sqrt(one.detections.areas)
    return _Met(one.detections.labels, one.false_alarm, one.reached, *sides)


def _met_oriented(compared: Comparison) -> _Met:
    objects, found = compared.objects, compared.detections.at_least(compared.conf)
    pairs = by_oriented_iou(objects, found)
    given = assign(Preferences.of(pairs, objects.ignore, objects.ignore, len(found)), 0.5)
    reached = np.zeros(len(objects), dtype=np.bool_)
    reached[given[given >= 0]] = True
    sides = np.sqrt(objects.rbox_areas), np.sqrt(found.rbox_areas)
    return _Met(found.labels, given < 0, reached, *sides)


def tally_table(rows: list[Tally]) -> Table:
    """The counts for people."""
    table = Table(title="Found in the drawn scene, counted at IoU 0.5", title_justify="left")
    table.add_column("class")
    table.add_column("size, px")
    for header in ("true", "found", "missed", "false alarms", "found, %"):
        table.add_column(header, justify="right")
    for row in rows:
        total = row.size == "all"
        counts = (row.num_true, row.num_found, row.num_missed, row.num_false)
        table.add_row(
            row.class_name,
            "all" if total else _span(row.size),
            *map(str, counts),
            f"{100 * row.num_found / row.num_true:.0f}" if row.num_true else "-",
            style="bold" if total else None,
            end_section=total,
        )
    return table


def found_counts(found: Detections) -> Iterator[tuple[str, int]]:
    """(class name, detections) of the classes that were found."""
    labels, counts = np.unique(found.labels.numpy(), return_counts=True)
    for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
        yield found.class_names[label], count


def _within(sides: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (sides >= low) & (sides < high)


def _span(size: str) -> str:
    low, high = SIZE_RANGES_PX[size]
    name = size.replace("_", " ")
    return f"{name} ({low:g} and more)" if math.isinf(high) else f"{name} ({low:g}-{high:g})"
