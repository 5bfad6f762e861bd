"""The page of an evaluation: how good is it, how small can it see, what should I fix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.errors import ERROR_KINDS, Errors, find_errors
from smalldet.evaluation.kept import About
from smalldet.evaluation.page import charts
from smalldet.evaluation.page.curves import ScoreCurves, score_curves
from smalldet.evaluation.page.gallery import KIND_WORDS, gallery, sides_of, sizes_of
from smalldet.evaluation.page.shapes import shapes
from smalldet.evaluation.page.size_charts import count_chart, recall_chart
from smalldet.evaluation.page.trust import trust
from smalldet.evaluation.recall_by_size import recall_by_size
from smalldet.evaluation.report import Report
from smalldet.evaluation.size_ranges import span_text
from smalldet.reporting.page import escaped, page, section, table
from smalldet.reporting.vega import chart, chart_scripts

CLASSES_IN_CHARTS = 8
CLASSES_IN_TABLES = 60
HEADLINES = (
    *("AP", "AP50", "AP75", "AR", "OBB_AP", "OBB_AP50", "mask_AP", "mask_AP50"),
    *("best_F1", "precision", "recall"),
)


def evaluation_page(
    comparison: Comparison, report: Report, about: About, more: Sequence[str] = ()
) -> str:
    """The whole page as HTML.

    Args:
        comparison: truth and detections.
        report: what was measured of them.
        about: what was given.
        more: further sections that are HTML already, as of a training.
    """
    errors = find_errors(comparison)
    curves = score_curves(comparison.at_any_score)
    sections = [_head(report, about)]
    if report.counts["all"]:
        sections += [_sizes(comparison, report), _scores(comparison, report, curves)]
        sections += [*shapes(report, CLASSES_IN_TABLES), trust(comparison)]
    sections += [_errors(comparison, report, errors), _gallery(comparison, errors), *more]
    title = f"{_name(about.model) or 'Detections'} on {_name(about.data) or 'labelled pictures'}"
    return page(title, [*sections, chart_scripts()])


def _head(report: Report, about: About) -> str:
    tiles = "".join(_tile(name, report) for name in HEADLINES)
    notes = "".join(f"<li>{escaped(note)}</li>" for note in report.notes)
    counts = (
        f"{report.num_pictures:,} pictures, {report.megapixels:,.1f} megapixels, "
        f"{report.counts['all']:,} objects of {len(report.per_class)} classes. Precision and "
        f"recall are at confidence {report.conf:g} and IoU 0.5."
    )
    given = " on ".join(escaped(one) for one in (about.model, about.data) if one)
    return (
        f"<header><h1>{escaped(_name(about.model) or 'Detections')}</h1>"
        f'<p class="soft path">{given}</p><div class="tiles">{tiles}</div><p>{counts}</p>'
        + (f'<ul class="soft">{notes}</ul>' if notes else "")
        + "</header>"
    )


def _name(given: str) -> str:
    return PurePath(given).name


def _tile(name: str, report: Report) -> str:
    value = report.metrics.get(name)
    if value is None:
        return ""
    interval = report.intervals.get(name)
    ends = f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else "&nbsp;"
    return (
        f'<div class="card tile"><span class="soft">{escaped(name.replace("_", " "))}</span>'
        f'<b>{100 * value:.1f}</b><span class="soft">{ends}</span></div>'
    )


def _most_frequent(comparison: Comparison, most: int) -> list[int]:
    """Classes that have objects, the most frequent first."""
    labels = comparison.objects.labels[~comparison.objects.ignore]
    counts = np.bincount(labels, minlength=len(comparison.index.class_names))
    order = np.argsort(-counts, kind="stable")
    return [k for k in order.tolist() if counts[k]][:most]


def _sizes(comparison: Comparison, report: Report) -> str:
    names = comparison.index.class_names
    shown = _most_frequent(comparison, CLASSES_IN_CHARTS)
    unit, in_metres = comparison.size_unit, comparison.size_unit == "m"
    every = recall_by_size(comparison, in_metres=in_metres)
    parts = [
        chart(recall_chart({f"at confidence {report.conf:.2f}": every}, unit), "recall by size"),
        chart(count_chart(every, unit), "objects by size", 120),
    ]
    if len(shown) > 1:
        by_class = {
            names[k]: recall_by_size(comparison, np.array([k]), in_metres=in_metres) for k in shown
        }
        parts.append("<h3>By class</h3>")
        parts.append(chart(recall_chart(by_class, unit), "recall by size and class"))
    parts += ["<h3>AP50 by class and size</h3>", _heat(report)]
    return section(
        "How small can it see",
        f"{_smallest(report)}Share of the objects of each size that are found at IoU 0.5, with its "
        "95 % interval.",
        f'<div class="card">{"".join(parts)}</div>',
    )


def _smallest(report: Report) -> str:
    unit = report.size_unit
    side = report.metrics.get(f"resolvable_{unit}")
    return "" if side is None else f"Half are found from {side:.3g} {unit} on. "


def _heat(report: Report) -> str:
    columns = {"all": "", **{_size_name(name, report): f"_{name}" for name in report.sizes}}
    kept = dict(list(report.per_class.items())[:CLASSES_IN_TABLES])
    lines: dict[str, dict[str, Any]] = {
        "all classes": {**report.metrics, "counts": report.counts},
        **kept,
    }
    rows = [
        {
            "line": line,
            "column": column,
            "value": values[f"AP50{suffix}"],
            "objects": values["counts"][suffix[1:] or "all"],
            "text": f"{100 * values[f'AP50{suffix}']:.0f}",
        }
        for line, values in lines.items()
        for column, suffix in columns.items()
        if values[f"AP50{suffix}"] is not None
    ]
    used = [column for column in columns if any(row["column"] == column for row in rows)]
    spec = charts.heat_map(rows, used, list(lines), "AP50")
    return chart(spec, "AP50 by class and size", 28 * len(lines))


def _size_name(name: str, report: Report) -> str:
    return f"{name.replace('_', ' ')} {span_text(*report.sizes[name])}"


def _scores(comparison: Comparison, report: Report, curves: ScoreCurves) -> str:
    names = comparison.index.class_names
    shown = _most_frequent(comparison, CLASSES_IN_CHARTS)
    lead = "No object is found at any confidence."
    if curves.best is not None and curves.f1[curves.best] > 0:
        best = curves.best
        lead = (
            f"Count detections from confidence {curves.scores[best]:.2f} on: F1 is highest there, "
            f"{curves.f1[best]:.3f}, with precision {curves.precision[best]:.3f} and recall "
            f"{curves.recall[best]:.3f}."
        )
    rows: list[list[str]] = []
    for k in _most_frequent(comparison, CLASSES_IN_TABLES):
        own = score_curves(comparison.at_any_score, k)
        at = own.best
        cells = ["-"] * 4
        if at is not None:
            values = (own.scores[at], own.f1[at], own.precision[at], own.recall[at])
            cells = [f"{value:.3f}" for value in values]
        rows.append([escaped(names[k]), *cells])
    parts = [
        '<div class="two"><div>',
        chart(charts.score_chart(curves, report.conf), "precision, recall and F1 by confidence"),
        "</div><div>",
        chart(charts.precision_recall_chart(comparison, shown), "precision against recall"),
        "</div></div>",
    ]
    heads = ("class", "confidence of the best F1", "F1", "precision", "recall")
    return section(
        "Which confidence to choose",
        lead,
        f'<div class="card">{"".join(parts)}</div>',
        table(heads, rows),
    )


def _errors(comparison: Comparison, report: Report, errors: Errors) -> str:
    sizes = sizes_of(comparison, sides_of(comparison, errors))
    names = [_size_name(name, report) for name in report.sizes]
    words = [KIND_WORDS[kind] for kind in ERROR_KINDS]
    rows = [
        {
            "kind": word,
            "size": name,
            "place": place,
            "errors": int(((errors.kinds == kind) & (sizes == place)).sum()),
        }
        for kind, word in enumerate(words)
        for place, name in enumerate(names)
    ]
    costs = [
        {"kind": word, "cost": report.metrics.get(f"dAP_{key}")}
        for key, word in zip(("cls", "loc", "both", "dup", "bkg", "miss"), words, strict=True)
    ]
    parts = [
        '<div class="two"><div>',
        chart(charts.error_chart(rows, words, names), "errors by kind and size", 200),
        "</div><div>",
        chart(
            charts.cost_chart([row for row in costs if row["cost"] is not None], words),
            "AP50 that each kind of error costs",
            200,
        ),
        "</div></div>",
    ]
    return section(
        "What to fix", _worst_in_words(costs), f'<div class="card">{"".join(parts)}</div>'
    )


def _worst_in_words(costs: Sequence[charts.Row]) -> str:
    known = [row for row in costs if row["cost"]]
    if not known:
        return "Errors at the confidence in use, by kind."
    worst = max(known, key=lambda row: row["cost"])
    return (
        f"Errors at the confidence in use, by kind. What costs most is '{worst['kind']}': without "
        f"it AP50 would be {100 * worst['cost']:.1f} points higher."
    )


def _gallery(comparison: Comparison, errors: Errors) -> str:
    lead = (
        "The worst of each kind, class and size first. Arrows go from crop to crop, Enter "
        "enlarges, b hides the boxes."
    )
    if not len(errors):
        return section("Errors to look at", "None.")
    return section("Errors to look at", lead, gallery(comparison, errors))
