"""The charts of an evaluation, as Vega-Lite has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smalldet.evaluation.calibration import Calibration
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.page.curves import ScoreCurves
from smalldet.reporting.vega import Spec

Row = dict[str, Any]

SHARE = {"domain": [0, 1]}
PERCENT = ".0%"


def precision_recall_chart(comparison: Comparison, shown: Sequence[int]) -> Spec:
    """Precision against recall at IoU 0.5 of the mean over classes, and of some classes."""
    at_50 = comparison.curves.precision[0, :, :, 0, -1]
    points = np.linspace(0, 1, at_50.shape[0])
    measured = at_50.max(axis=0) > -1
    lines = {"mean of classes": at_50[:, measured].mean(axis=1)} if measured.any() else {}
    lines |= {comparison.index.class_names[k]: at_50[:, k] for k in shown if measured[k]}
    rows = [
        {"line": name, "recall": round(r, 2), "precision": round(p, 4)}
        for name, line in lines.items()
        for r, p in zip(points.tolist(), line.tolist(), strict=True)
    ]
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2, "clip": True},
        "encoding": {
            "x": {"field": "recall", "type": "quantitative", "scale": SHARE},
            "y": {"field": "precision", "type": "quantitative", "scale": SHARE},
            "color": {"field": "line", "type": "nominal", "title": None, "sort": None},
            "tooltip": [
                {"field": "line", "title": "class"},
                {"field": "recall"},
                {"field": "precision"},
            ],
        },
    }


def score_chart(curves: ScoreCurves, conf: float) -> Spec:
    """Precision, recall and F1 against confidence, with the one to choose and the one in use."""
    thin = curves.thinned()
    lines = {"F1": thin.f1, "precision": thin.precision, "recall": thin.recall}
    rows = [
        {"line": name, "confidence": round(x, 4), "value": round(y, 4)}
        for name, line in lines.items()
        for x, y in zip(thin.scores.tolist(), line.tolist(), strict=True)
    ]
    marks = [{"at": conf, "what": f"in use: {conf:.2f}", "side": 8}]
    if curves.best is not None:
        best = float(curves.scores[curves.best])
        marks.append({"at": best, "what": f"best F1: {best:.2f}", "side": 24})
    x = {"field": "confidence", "type": "quantitative", "scale": SHARE}
    rule = {"field": "at", "type": "quantitative", "title": "confidence"}
    return {
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "x": x,
                    "y": {"field": "value", "type": "quantitative", "scale": SHARE, "title": None},
                    "color": {"field": "line", "type": "nominal", "title": None, "sort": None},
                    "tooltip": [{"field": "line"}, {"field": "confidence"}, {"field": "value"}],
                },
            },
            {
                "data": {"values": marks},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": rule},
            },
            {
                "data": {"values": marks},
                "mark": {"type": "text", "align": "left", "dx": 4, "baseline": "top"},
                "encoding": {
                    "x": rule,
                    "y": {"field": "side", "type": "quantitative", "scale": None},
                    "text": {"field": "what"},
                },
            },
        ]
    }


def heat_map(rows: Sequence[Row], columns: Sequence[str], lines: Sequence[str], what: str) -> Spec:
    """A table of shares as colours with their numbers.

    Args:
        rows: `line`, `column`, `value` (0..1), its `text` and `objects` of each cell.
        columns: their order.
        lines: their order.
        what: the value is.
    """
    x = {
        "field": "column",
        "type": "ordinal",
        "sort": list(columns),
        "title": None,
        "axis": {
            "labelAngle": 0,
            "labelPadding": 18,
            # the range stands under its name
            "labelExpr": "split(datum.label, regexp(' (?=[0-9])'))",
            "orient": "top",
            "domain": False,
            "ticks": False,
        },
    }
    y = {
        "field": "line",
        "type": "ordinal",
        "sort": list(lines),
        "title": None,
        "axis": {"domain": False, "ticks": False, "labelLimit": 200},
    }
    tooltip = [
        {"field": "line", "title": " "},
        {"field": "column", "title": " "},
        {"field": "value", "title": what, "format": ".3f"},
        {"field": "objects", "title": "number", "format": ","},
    ]
    dark = {"test": "datum.value > 0.55", "value": "white"}
    return {
        "data": {"values": list(rows)},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "tooltip": True, "cornerRadius": 3},
                "encoding": {
                    "color": {
                        "field": "value",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"domain": [0, 1], "range": ["#4a7fc11f", "#2f6fb3"]},
                    },
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    "text": {"field": "text"},
                    "color": {"condition": dark},
                    "tooltip": tooltip,
                },
            },
        ],
    }


def error_chart(rows: Sequence[Row], kinds: Sequence[str], sizes: Sequence[str]) -> Spec:
    """How many errors of each kind, by size."""
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "cornerRadiusEnd": 2},
        "encoding": {
            "y": {"field": "kind", "type": "nominal", "sort": list(kinds), "title": None},
            "x": {"field": "errors", "type": "quantitative", "title": "errors", "stack": True},
            "color": {
                "field": "size",
                "type": "ordinal",
                "sort": list(sizes),
                "title": "size",
                "scale": {"scheme": "blues"},
            },
            "order": {"field": "place"},
            "tooltip": [{"field": "kind"}, {"field": "size"}, {"field": "errors", "format": ","}],
        },
    }


def cost_chart(rows: Sequence[Row], kinds: Sequence[str]) -> Spec:
    """What average precision each kind of error costs."""
    return {
        "data": {"values": list(rows)},
        "encoding": {
            "y": {"field": "kind", "type": "nominal", "sort": list(kinds), "title": None},
            "x": {"field": "cost", "type": "quantitative", "title": "AP50 to gain by mending"},
        },
        "layer": [
            {
                "mark": {"type": "bar", "cornerRadiusEnd": 2},
                "encoding": {"tooltip": [{"field": "kind"}, {"field": "cost", "format": ".3f"}]},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"text": {"field": "cost", "format": ".3f"}},
            },
        ],
    }


def line_chart(rows: Sequence[Row], x: str, y: str, *, y_scale: Row | None = None) -> Spec:
    """Plain lines, one for each `line` of the rows."""
    y_axis: Row = {"field": y, "type": "quantitative", "title": y}
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "line", "strokeWidth": 2, "point": len(rows) < 60},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": x},
            "y": y_axis | ({"scale": y_scale} if y_scale else {}),
            "color": {"field": "line", "type": "nominal", "title": None, "sort": None},
            "tooltip": [{"field": "line"}, {"field": x}, {"field": y, "format": ".4g"}],
        },
    }


def difference_chart(rows: Sequence[Row], metrics: Sequence[str]) -> Spec:
    """Differences in points with their intervals, one row a metric, about a line at 0."""
    y = {"field": "metric", "type": "nominal", "sort": list(metrics), "title": None}
    colour = {"field": "line", "type": "nominal", "title": None, "sort": None}
    offset = {"field": "line", "type": "nominal", "sort": None}
    shared = {"y": y, "yOffset": offset, "color": colour}
    tooltip = [
        {"field": "line", "title": "of"},
        {"field": "metric"},
        *({"field": name, "format": "+.2f"} for name in ("points", "low", "high")),
    ]
    x = {"type": "quantitative", "title": "points"}
    return {
        "data": {"values": list(rows)},
        "layer": [
            {
                "data": {"values": [{"zero": 0}]},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "zero", **x}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.55},
                "encoding": {**shared, "x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {**shared, "x": {"field": "points", **x}, "tooltip": tooltip},
            },
        ],
    }


def calibration_chart(curves: Mapping[str, Calibration]) -> Spec:
    """Precision against score, one line each, beside the diagonal of scores that tell the truth."""
    rows = [
        {"line": name, "score": round(x, 4), "precision": round(y, 4), "detections": num}
        for name, one in curves.items()
        for x, y, num in zip(
            one.mean_score.tolist(), one.precision.tolist(), one.num.tolist(), strict=True
        )
        if num
    ]
    x = {"field": "score", "type": "quantitative", "scale": SHARE}
    y = {"field": "precision", "type": "quantitative", "scale": SHARE}
    tooltip = ["line", "score", "precision", "detections"]
    return {
        "layer": [
            {
                "data": {"values": [{"score": 0, "precision": 0}, {"score": 1, "precision": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 3], "color": "#8a93a3"},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": rows},
                "mark": {"type": "line", "point": {"size": 44, "filled": True}},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {"field": "line", "type": "nominal", "title": None, "sort": None},
                    "tooltip": [{"field": name} for name in tooltip],
                },
            },
        ]
    }
