"""Models side by side on the same pictures, and whether their difference is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.intervals import Resampled, bootstrap_ap, interval
from smalldet.evaluation.kept import Kept
from smalldet.evaluation.options import EvaluateOptions
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import report_of
from smalldet.evaluation.size_ranges import span_text

CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Side:
    """One of those that are compared.

    Attributes:
        name: for people, unlike the others'.
        comparison: truth and its detections, over the classes that all sides have.
        report: what was measured.
        resampled: the same measured on redrawn pictures, equal draws for all sides.
    """

    name: str
    comparison: Comparison
    report: Report
    resampled: Resampled


@dataclass(frozen=True)
class Difference:
    """What a side has more than the first, 0..1.

    Attributes:
        value: second less first.
        low: of its 95 % interval by a paired bootstrap over pictures.
        high: its upper end.
        is_real: the interval leaves 0 out; where several sizes are looked at, one that is wider by
            their number does (Bonferroni).
    """

    value: float
    low: float
    high: float
    is_real: bool


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Several sides; the first is what the others are compared with.

    Attributes:
        sides: two or more.
        differences: for each side but the first, {metric: difference}.
        by_class: for each side but the first, {class: difference of AP}.
        sentences: for each side but the first, whether the difference is real and at which sizes.
    """

    sides: tuple[Side, ...]
    differences: tuple[dict[str, Difference], ...]
    by_class: tuple[dict[str, Difference], ...]
    sentences: tuple[str, ...]

    @property
    def metrics(self) -> list[str]:
        """Those that are shown, in order."""
        sizes = self.sides[0].report.sizes
        names = ("AP", "AP50", *(f"AP_{size}" for size in sizes), "best_F1")
        names += ("OBB_AP", "OBB_AP50", "mask_AP", "mask_AP50")
        return [one for one in names if self.sides[0].report.metrics.get(one) is not None]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file."""
        first = self.sides[0]
        return {
            "num_pictures": first.report.num_pictures,
            "classes": list(first.comparison.index.class_names),
            "sides": [_side_as_dict(side) for side in self.sides],
            "differences": [
                {
                    "of": side.name,
                    "from": first.name,
                    "sentence": sentence,
                    "metrics": {name: vars(one) for name, one in of_metrics.items()},
                    "per_class": {name: {"AP": vars(one)} for name, one in of_classes.items()},
                }
                for side, sentence, of_metrics, of_classes in zip(
                    self.sides[1:], self.sentences, self.differences, self.by_class, strict=True
                )
            ],
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, *others = self.sides
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("points, 95 % interval")
        for side in self.sides:
            table.add_column(Text(side.name, overflow="fold"), justify="right")
        for row in self.metrics:
            cells = [f"{100 * (first.report.metrics[row] or 0):.1f}"]
            for side, differences in zip(others, self.differences, strict=True):
                value = side.report.metrics.get(row)
                told = f"  {in_words(differences[row])}" if row in differences else ""
                cells.append("-" if value is None else f"{100 * value:.1f}{told}")
            table.add_row(row, *cells)
        yield table
        yield from (Text(sentence) for sentence in self.sentences)


def side_by_side(kept: Sequence[Kept], options: EvaluateOptions) -> SideBySide:
    """Measure several detections of one truth over the classes that all have.

    Args:
        kept: two or more, over equal truths.
        options: sizes, `max_detections`; `conf` for all, or each one's own if None.

    Raises:
        ValueError: fewer than two, or no class that all have.
    """
    check_number(len(kept))
    names = unlike_names([one.name for one in kept])
    compared = _over_shared_classes(kept, options)
    sides = tuple(
        Side(name, one, report_of(one, []), bootstrap_ap(one, options.num_resamples))
        for name, one in zip(names, compared, strict=True)
    )
    differences = tuple(_differences(sides[0], side) for side in sides[1:])
    return SideBySide(
        sides,
        differences,
        tuple(_by_class(sides[0], side) for side in sides[1:]),
        tuple(
            sentence(sides[0], side, of_side)
            for side, of_side in zip(sides[1:], differences, strict=True)
        ),
    )


def check_number(num: int) -> None:
    """Raise ValueError where there are too few to compare."""
    if num < 2:
        raise ValueError("give two or more to compare: folders, models or files of results")


def _over_shared_classes(kept: Sequence[Kept], options: EvaluateOptions) -> list[Comparison]:
    matches = [match_classes(one.truth, _class_names(one), one.mapping) for one in kept]
    shared = [
        name
        for name in matches[0].truth.class_names
        if all(name in match.truth.class_names for match in matches)
    ]
    if not shared:
        each = "; ".join(
            f"{one.name} has {', '.join(match.truth.class_names)}"
            for one, match in zip(kept, matches, strict=True)
        )
        raise ValueError(f"there is no class of the data that all were measured on: {each}")
    return [
        compare(
            match_classes(match.truth, shared).truth,
            [match.relabel(found) for found in one.detections],
            conf=one.conf if options.conf is None else options.conf,
            max_detections=options.max_detections,
            sizes=options.sizes,
            size_unit=options.size_unit,
        )
        for one, match in zip(kept, matches, strict=True)
    ]


def _class_names(kept: Kept) -> tuple[str, ...]:
    return kept.detections[0].class_names if kept.detections else kept.truth.class_names


def _differences(first: Side, second: Side) -> dict[str, Difference]:
    """Of every metric that both have; several sizes of one metric share the error allowed."""
    found: dict[str, Difference] = {}
    for name in first.resampled.values:
        value = _both(first, second, name)
        if value is not None:
            draws = second.resampled.values[name] - first.resampled.values[name]
            found[name] = _difference(value, draws, _num_looked_at(first, name))
    return found


def _both(first: Side, second: Side, name: str) -> float | None:
    values = first.report.metrics.get(name), second.report.metrics.get(name)
    if values[0] is None or values[1] is None or name not in second.resampled.values:
        return None
    return values[1] - values[0]


def _num_looked_at(side: Side, name: str) -> int:
    """How many ranges of sizes have objects, for the AP of one of them; 1 for other metrics."""
    sizes = [size for size in side.report.sizes if side.report.counts[size]]
    return len(sizes) if any(name.endswith(f"_{size}") for size in sizes) else 1


def _by_class(first: Side, second: Side) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    classes = [name for name, row in first.report.per_class.items() if row["AP"] is not None]
    for name in classes:
        value = second.report.per_class[name]["AP"] - first.report.per_class[name]["AP"]
        draws = second.resampled.of_class[name]["AP"] - first.resampled.of_class[name]["AP"]
        found[name] = _difference(value, draws, len(classes))
    return found


def _difference(value: float, draws: NDArray[np.float64], num_looked_at: int) -> Difference:
    tail = (1 - CONFIDENCE) / 2
    ends = interval(draws, value, tail)
    strict = interval(draws, value, tail / num_looked_at)
    if ends is None or strict is None:
        return Difference(value, value, value, False)
    return Difference(value, *ends, strict[0] > 0 or strict[1] < 0)


def sentence(first: Side, second: Side, differences: Mapping[str, Difference]) -> str:
    """Whether a difference is real, and at which sizes, in one plain sentence."""
    if "AP" not in differences:
        return f"{second.name} and {first.name} cannot be compared: there is no object."
    ap = differences["AP"]
    by_size = {
        size: differences[f"AP_{size}"]
        for size in first.report.sizes
        if f"AP_{size}" in differences
    }
    told = ", ".join(
        f"at {_span(first, size)} {in_words(one)}" for size, one in by_size.items() if one.is_real
    )
    if ap.is_real:
        word = "better" if ap.value > 0 else "worse"
        start = f"{second.name} is {word} than {first.name}: AP {in_words(ap)}"
        return f"{start}; {told or 'at no single size can it be told'}."
    start = f"{second.name} and {first.name} cannot be told apart over all sizes: "
    start += f"AP {in_words(ap)}"
    return f"{start}; but {told}." if told else f"{start}; nor at any single size."


def in_words(one: Difference) -> str:
    """`+2.1 (0.8 to 3.5)`, in points."""
    return f"{100 * one.value:+.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _span(side: Side, size: str) -> str:
    return f"{span_text(*side.report.sizes[size])} {side.report.size_unit}"


def unlike_names(given: Sequence[str]) -> list[str]:
    """Short names: the last part of each path, with as many before it as tell them apart."""
    parts = [one.rstrip("/").split("/") for one in given]
    for num in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-num:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{name} ({place})" for place, name in enumerate(given, start=1)]


def _side_as_dict(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "conf": side.report.conf,
        "metrics": side.report.metrics,
        "intervals": {name: list(ends) for name, ends in side.resampled.intervals().items()},
        "per_class": {name: {"AP": row["AP"]} for name, row in side.report.per_class.items()},
    }
