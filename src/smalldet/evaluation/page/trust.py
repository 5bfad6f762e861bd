"""Whether scores and classes can be trusted: calibration and confusion."""

from __future__ import annotations

import numpy as np

from smalldet.evaluation.calibration import Calibration, calibrate
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.confusion import confusion_matrix
from smalldet.evaluation.page import charts
from smalldet.evaluation.size_ranges import span_text
from smalldet.reporting.page import section
from smalldet.reporting.vega import chart

MOST_CLASSES = 16
LEAST_DETECTIONS = 20
"""A curve over fewer says little."""


def trust(comparison: Comparison) -> str:
    """The section as HTML."""
    every = calibrate(comparison)
    unit = comparison.size_unit
    curves = {"all sizes": every}
    for sides in comparison.sizes.values():
        own = calibrate(comparison, sides=sides)
        if own.num.sum() >= LEAST_DETECTIONS:
            curves[f"{span_text(*sides)} {unit}"] = own
    parts = [
        '<div class="two"><div><h3>Precision of each score</h3>',
        chart(charts.calibration_chart(curves), "precision by score", 300),
        "</div><div><h3>Which class is taken for which</h3>",
        _confusion(comparison),
        "</div></div>",
    ]
    return section("Can it be trusted", _lead(every), f'<div class="card">{"".join(parts)}</div>')


def _lead(every: Calibration) -> str:
    if every.error is None:
        return "Nothing is found at any score."
    return (
        f"Where the line is under the diagonal, scores promise too much. They are off by "
        f"{100 * every.error:.1f} points in the mean (expected calibration error). Right: rows "
        "are what is there, columns what is found at the confidence in use, in shares of the row."
    )


def _confusion(comparison: Comparison) -> str:
    counts = confusion_matrix(comparison)
    names = list(comparison.index.class_names)
    order = np.argsort(-counts[:-1].sum(axis=1), kind="stable")[:MOST_CLASSES]
    kept = [*order.tolist(), len(names)]
    table = counts[np.ix_(kept, kept)]
    lines = [*(names[k] for k in kept[:-1]), "background"]
    columns = [*(names[k] for k in kept[:-1]), "missed"]
    totals = counts.sum(axis=1)[kept]
    rows = [
        {
            "line": line,
            "column": column,
            "value": round(float(num / total), 4),
            "objects": int(num),
            "text": f"{num:,}",
        }
        for line, total, cells in zip(lines, totals.tolist(), table.tolist(), strict=True)
        for column, num in zip(columns, cells, strict=True)
        if num
    ]
    spec = charts.heat_map(rows, columns, lines, "share")
    return chart(spec, "classes by what they are taken for", max(28 * len(lines), 120))
