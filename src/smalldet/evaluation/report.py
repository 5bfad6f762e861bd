"""The report of an evaluation: numbers to keep and a table to read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from smalldet.atomic_write import write_text
from smalldet.evaluation.intervals import Interval
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges, SizeUnit, span_text

_SHAPES = {
    "oriented boxes": ("OBB_AP", "OBB_AP50", "DOTA07_AP50", "DOTA_AP50", "OBB_angle_error_deg"),
    "masks": ("mask_AP", "mask_AP50"),
}


def judged_by(metrics: Mapping[str, Any]) -> str:
    """Name of the figure that says which of two models is better: oriented AP where there is."""
    return "OBB_AP" if "OBB_AP" in metrics else "AP"


_TILING_KINDS = ("seam_cut", "seam_doubled", "seam_lost", "cap")


@dataclass(frozen=True)
class Report:
    """How well detections meet truth. Everything is 0..1 unless its name has a unit; None where
    nothing could be measured.

    Args:
        metrics: `AP`, `AP50`, `AP75`, `AR`; `AP_<size>`, `AP50_<size>`, `AR_<size>` for each of
            `sizes`; COCO's own as `COCO_...`; and at `conf`: `precision`, `recall`,
            `false_alarms`, `false_alarms_per_megapixel`; `best_F1` over all classes and the
            `best_conf` that reaches it; of oriented boxes and masks, where both sides have them.
        counts: objects of each size, and of `all`.
        per_class: the same metrics but COCO's, with `counts`, of each class.
        left_out: classes of the `model` and of the `data` that the other side lacks.
        unjudged: detections a megapixel at `conf` of each class that only the model has: false
            alarms if the pictures truly hold none.
        conf: score from which precision, recall and false alarms are counted.
        max_detections: the strongest of a picture that counted.
        num_pictures: how many pictures.
        megapixels: their area.
        sizes: the size ranges that were measured by.
        details: curves and tables; see `evaluation.details`.
        warnings: what was wrong with the input, or cost accuracy on the way.
        size_unit: of `sizes`.
        intervals: {name of a metric: its 95 % interval} over other draws of the pictures.
        drawn: what was drawn for them, such as `60 pictures`, or `9 scenes` that pictures are
            cut from.
        remarks: what of a file of results did not fit.
    """

    metrics: dict[str, float | None]
    counts: dict[str, int]
    per_class: dict[str, dict[str, Any]]
    left_out: dict[str, tuple[str, ...]]
    unjudged: dict[str, float]
    conf: float
    max_detections: int
    num_pictures: int
    megapixels: float
    sizes: SizeRanges = field(default_factory=lambda: SIZE_RANGES_PX)
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: list[str] = field(default_factory=list[str])
    size_unit: SizeUnit = "px"
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    drawn: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        notes = [
            f"only the {side} has {', '.join(names)}: left out"
            for side, names in self.left_out.items()
            if names
        ]
        if self.unjudged:
            each = ", ".join(f"{name} {value:.2f}" for name, value in self.unjudged.items())
            notes.append(f"found a megapixel of classes that the data lacks: {each}")
        empty = [name for name, row in self.per_class.items() if row["counts"]["all"] == 0]
        if empty:
            notes.append(f"no object of {', '.join(empty)}: not in the means")
        return [*notes, *self.warnings, *self.remarks]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `metrics.json` has them."""
        return {
            **self.metrics,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "intervals_over": self.drawn,
            "conf": self.conf,
            "iou_at_conf": 0.5,
            "max_detections": self.max_detections,
            "num_pictures": self.num_pictures,
            "megapixels": self.megapixels,
            "counts": self.counts,
            f"size_ranges_{self.size_unit}": {
                name: [low, None if math.isinf(high) else high]
                for name, (low, high) in self.sizes.items()
            },
            "per_class": self.per_class,
            **self.details,
            "unjudged_per_megapixel": self.unjudged,
            "left_out": {side: list(names) for side, names in self.left_out.items()},
            "notes": self.notes,
        }

    def write(self, path: Path | str) -> None:
        """Write `metrics.json`."""
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        write_text(Path(path), text + "\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table()
        coco = self.metrics
        yield Text(
            f"COCO (100 detections): AP {_cell(coco['COCO_AP'])}, "
            + ", ".join(
                f"{size} {_cell(coco[f'COCO_AP_{size}'])}" for size in ("small", "medium", "large")
            )
            + f", AR {_cell(coco['COCO_AR_100'])}"
        )
        yield from _of_shapes(coco)
        yield Text(f"best F1 {_cell(coco['best_F1'])} at conf {_cell(coco['best_conf'])}")
        smallest = [
            f"{name} {row['resolvable_px']:.3g}"
            for name, row in {"all": self.metrics, **self.per_class}.items()
            if row["resolvable_px"] is not None
        ]
        if smallest:
            yield Text(f"half are found from this side in px on: {', '.join(smallest)}")
        if self.intervals:
            shown = [name for name in ("AP", "AP50", "best_F1") if name in self.intervals]
            ends = ", ".join(
                f"{name} {_cell(self.intervals[name][0])} to {_cell(self.intervals[name][1])}"
                for name in shown
            )
            yield Text(f"95 % interval over {self.drawn}: {ends}")
        if "scene_errors" in self.details:
            yield _of_scenes(self.details["scene_errors"])
        for note in self.notes:
            yield Text(note)

    def _table(self) -> Table:
        table = Table(
            title=f"{self.num_pictures} pictures, {self.megapixels:.1f} MP; AP by side in "
            f"{self.size_unit}; P, R, false alarms a megapixel at conf {self.conf:g}, IoU 0.5",
            title_justify="left",
            box=None,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        # 80 columns hold it; where names are longer they are folded, and never a number
        table.add_column("class", overflow="fold", vertical="bottom", max_width=16)
        sizes = [
            "\n".join([*name.split("_"), span_text(*sides)]) for name, sides in self.sizes.items()
        ]
        for header in ("objects", "AP", "AP50", *sizes, "P", "R", "FA/MP"):
            table.add_column(header, justify="right", no_wrap=True, vertical="bottom")
        table.add_row("all", *self._row({**self.metrics, "counts": self.counts}), style="bold")
        table.add_row("objects", "", "", "", *(str(self.counts[s]) for s in self.sizes))
        for name, row in self.per_class.items():
            table.add_row(Text(name), *self._row(row))
        return table

    def _row(self, row: dict[str, Any]) -> list[str]:
        return [
            str(row["counts"]["all"]),
            *(_cell(row[key]) for key in ("AP", "AP50")),
            *(_cell(row[f"AP_{size}"]) for size in self.sizes),
            *(_cell(row[key]) for key in ("precision", "recall")),
            _cell(row["false_alarms_per_megapixel"], places=2),
        ]


def _of_shapes(metrics: Mapping[str, float | None]) -> Iterator[Text]:
    """A line for each kind of shape that was measured."""
    for kind, names in _SHAPES.items():
        measured = [f"{name} {_cell(metrics[name])}" for name in names if name in metrics]
        if measured:
            yield Text(f"{kind}: {', '.join(measured)}")


def _of_scenes(errors: dict[str, Any]) -> Text:
    kinds = {name.removeprefix("errors_"): num for name, num in errors.items() if num}
    told = [f"{kinds[name]} {name.replace('_', ' ')}" for name in kinds if name in _TILING_KINDS]
    return Text(
        f"{errors['num_scenes']} pictures of several tiles: AP merged {_cell(errors['scene_AP'])}, "
        f"of the tiles {_cell(errors['tile_AP'])}; mistakes of the tiling: "
        + (", ".join(told) or "none")
    )


def _cell(value: float | None, places: int = 3) -> str:
    return "-" if value is None else f"{value:.{places}f}"
