"""Charts against the size of objects, as Vega-Lite has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from smalldet.evaluation.page.charts import PERCENT, SHARE, Row
from smalldet.evaluation.recall_by_size import RecallBySize
from smalldet.reporting.vega import Spec


def recall_chart(recalls: Mapping[str, RecallBySize], unit: str = "px") -> Spec:
    """Recall against size, one line each, with the 95 % interval of a lone one."""
    rows: list[Row] = []
    for name, one in recalls.items():
        spans = zip(one.edges_px[:-1].tolist(), one.edges_px[1:].tolist(), strict=True)
        for i, (low, high) in enumerate(spans):
            num = int(one.num_objects[i])
            if not num:
                continue
            shared = {
                "side": float(np.sqrt(low * high)),
                "span": f"{low:.3g} to {high:.3g} {unit}",
                "objects": num,
            }
            found = float(one.num_found_conf[i] / num)
            ends = {"low": float(one.low[i]), "high": float(one.high[i])}
            rows.append({**shared, **ends, "line": name, "recall": found})
            if len(recalls) == 1:
                most = float(one.num_found_any[i] / num)
                rows.append({**shared, "line": "at any score", "recall": most})
    x = _side_axis([row["side"] for row in rows], unit)
    line = {"field": "line", "type": "nominal", "title": None, "sort": None}
    y = {"field": "recall", "type": "quantitative", "scale": SHARE, "axis": {"format": PERCENT}}
    tooltip = [
        {"field": "line", "title": "found"},
        {"field": "span", "title": "side"},
        {"field": "recall", "format": ".1%"},
        {"field": "objects", "format": ","},
    ]
    band = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "area", "opacity": 0.16 if len(recalls) == 1 else 0.1},
        "encoding": {
            "x": x,
            "y": {"field": "low", "type": "quantitative", "title": "recall"},
            "y2": {"field": "high"},
            "color": line,
        },
    }
    curve = {
        "mark": {"type": "line", "point": {"size": 44, "filled": True}, "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": line, "tooltip": tooltip},
    }
    return {"data": {"values": rows}, "layer": [band, curve]}


def count_chart(one: RecallBySize, unit: str = "px") -> Spec:
    """How many objects each point of the recall stands on: found and missed."""
    rows: list[Row] = []
    for i, (low, high) in enumerate(
        zip(one.edges_px[:-1].tolist(), one.edges_px[1:].tolist(), strict=True)
    ):
        found = int(one.num_found_conf[i])
        span = {"low": low, "high": high, "span": f"{low:.3g} to {high:.3g} {unit}"}
        rows.append({**span, "what": "found", "objects": found})
        rows.append({**span, "what": "missed", "objects": int(one.num_objects[i]) - found})
    x = _side_axis(one.edges_px.tolist(), unit, field="low")
    return {
        "data": {"values": rows},
        "mark": {"type": "bar", "binSpacing": 1},
        "encoding": {
            "x": {**x, "bin": "binned"},
            "x2": {"field": "high"},
            "y": {"field": "objects", "type": "quantitative", "stack": True, "title": "objects"},
            "color": {"field": "what", "type": "nominal", "title": None},
            "tooltip": [
                {"field": "what", "title": "objects"},
                {"field": "objects", "title": "number", "format": ","},
                {"field": "span", "title": "side"},
            ],
        },
    }


def _side_axis(sides: Sequence[float], unit: str, field: str = "side") -> Row:
    """Sides on a scale of doublings, with ticks at them."""
    first = int(np.floor(np.log2(min(sides)))) if sides else 0
    last = int(np.ceil(np.log2(max(sides)))) if sides else 1
    last = max(last, first + 1)
    return {
        "field": field,
        "type": "quantitative",
        "title": f"side in {unit} (square root of the area)",
        "scale": {"type": "log", "base": 2, "domain": [2.0**first, 2.0**last]},
        "axis": {"values": [2.0**power for power in range(first, last + 1)], "format": "~g"},
    }
