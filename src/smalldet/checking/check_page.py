"""The page of a check: what was found with pictures of it, sizes, classes, the hardest pictures."""

from __future__ import annotations

import numpy as np

from smalldet.checking.check import CheckReport
from smalldet.checking.checks.classes import counts_by_split
from smalldet.checking.findings import Finding, counted, figure, share, spread
from smalldet.checking.labelled_set import WHOLE, LabelledSet
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX
from smalldet.reporting.charts import size_histogram
from smalldet.reporting.crops import Crop, figures
from smalldet.reporting.page import escaped, page, section, table

EXAMPLES_SHOWN = 6
SMALLEST_SHOWN = 18
CROWDED_SHOWN = 4
CLASSES_SHOWN = 40
BAR_PX = 160


def check_page(report: CheckReport) -> str:
    """The whole page as HTML."""
    labelled = report.labelled
    parts = [_head(report), _findings(report.findings)]
    if len(labelled.objects):
        parts += [_sizes(labelled), _classes(labelled), _smallest(labelled), _crowded(labelled)]
    return page(f"Check of {report.source.name}", parts)


def _head(report: CheckReport) -> str:
    labelled = report.labelled
    verdict, _, told = report.summary().partition(": ")
    tone = "good" if report.may_train else "error"
    rows = [_split_row(labelled, name) for name in labelled.splits]
    splits = table(("split", "pictures", "without objects", "objects", "most in one"), rows)
    num = counted(len(labelled.objects), "object")
    return (
        f"<header><h1>{escaped(report.source.name)}</h1>"
        f'<p class="soft">{escaped(report.source)}</p>'
        f'<div class="card verdict {tone}"><b>{escaped(verdict)}</b>: {escaped(told)}</div>'
        f"<p>{counted(len(labelled.records), 'picture')}, {num} of "
        f"{counted(len(labelled.class_names), 'class', 'classes')}.</p></header>"
        + (splits if rows else "")
    )


def _split_row(labelled: LabelledSet, split: str) -> list[str]:
    records = labelled.splits[split].records
    counts = np.array([int((~record.ignore).sum()) for record in records], dtype=np.int64)
    empty = int((counts == 0).sum())
    return [
        "all in one piece" if split == WHOLE else escaped(split),
        f"{len(records):,}",
        f"{empty:,} ({share(empty, len(records))})",
        f"{counts.sum():,}",
        f"{counts.max(initial=0):,}",
    ]


def _findings(findings: tuple[Finding, ...]) -> str:
    cards = [_finding(one) for one in findings]
    return section("What was found", "Worst first." if cards else "Nothing.", *cards)


def _finding(finding: Finding) -> str:
    kind = finding.severity.value
    crops = [
        Crop(one.picture, one.boxes, one.caption, other=one.other, rboxes=one.rboxes)
        for one in spread(finding.examples)
        if one.readable
    ]
    shown = figures(crops[:EXAMPLES_SHOWN])
    broken = [one for one in finding.examples if not one.readable]
    names = "".join(
        f"<li>{escaped(one.picture)}: {escaped(one.caption)}</li>"
        for one in broken[:EXAMPLES_SHOWN]
    )
    places = len(finding.examples)
    first = f"The first {EXAMPLES_SHOWN} of {counted(places, 'place')}."
    rest = f'<p class="soft">{first}</p>' if places > EXAMPLES_SHOWN else ""
    todo = f'<p class="soft">{escaped(_sentence(finding.todo))}</p>' if finding.todo else ""
    return (
        f'<div class="card finding {kind}"><p><span class="badge">{kind}</span>'
        f"{escaped(_sentence(finding.text))}</p>{todo}{f'<ul>{names}</ul>' if names else ''}"
        f"{shown}{rest}</div>"
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _sizes(labelled: LabelledSet) -> str:
    objects = labelled.objects
    ranges = [(name, low, high) for name, (low, high) in SIZE_RANGES_PX.items()]
    charts = [size_histogram(objects.sizes_px, "px", ranges)]
    known = np.isfinite(objects.gsd_m)
    if known.any():
        charts.append(size_histogram((objects.sizes_px * objects.gsd_m)[known], "m"))
    middle = float(np.median(objects.sizes_px))
    lead = f"Half of all objects are smaller than {figure(middle)} px."
    return section("Sizes", lead, *charts)


def _classes(labelled: LabelledSet) -> str:
    counts = counts_by_split(labelled)
    total = np.sum(list(counts.values()), axis=0)
    middles = labelled.objects
    order = np.argsort(-total, kind="stable")
    rows: list[list[str]] = []
    for label in order[:CLASSES_SHOWN].tolist():
        own = middles.sizes_px[middles.labels == label]
        bar = round(BAR_PX * total[label] / max(total.max(), 1))
        rows.append(
            [
                escaped(labelled.class_names[label]),
                *(f"{counts[split][label]:,}" for split in counts),
                figure(float(np.median(own))) if len(own) else "-",
                f'<span class="bar" style="width:{bar}px"></span>',
            ]
        )
    heads = ("class", *("objects" if s == WHOLE else s for s in counts), "median px", "")
    more = len(order) - CLASSES_SHOWN
    lead = f"The {CLASSES_SHOWN} most frequent; {more} more." if more > 0 else ""
    return section("Classes", lead, table(heads, rows))


def _smallest(labelled: LabelledSet) -> str:
    rows = np.argsort(labelled.objects.sizes_px, kind="stable")[:SMALLEST_SHOWN]
    crops = [
        Crop(one.picture, one.boxes, one.caption, rboxes=one.rboxes)
        for one in labelled.examples(rows)
    ]
    return section(
        "The smallest objects",
        "What you cannot tell from its surroundings here, no model will.",
        f'<div class="card">{figures(crops)}</div>',
    )


def _crowded(labelled: LabelledSet) -> str:
    counts = np.bincount(labelled.objects.pictures, minlength=len(labelled.records))
    rows = np.argsort(-counts, kind="stable")[:CROWDED_SHOWN]
    crops = [_whole(labelled, row) for row in rows.tolist() if counts[row]]
    return section("The most crowded pictures", "", f'<div class="card">{figures(crops)}</div>')


def _whole(labelled: LabelledSet, row: int) -> Crop:
    """A picture with all its objects."""
    objects = np.flatnonzero(labelled.objects.pictures == row)
    boxes, rboxes = labelled.marks(objects)
    told = counted(len(objects), "object")
    return Crop(labelled.records[row].path, boxes, told, whole=True, side_px=508, rboxes=rboxes)
