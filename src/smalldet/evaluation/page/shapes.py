"""The page's figures of oriented boxes and masks, by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smalldet.evaluation.report import Report
from smalldet.reporting.page import escaped, section, table

ANGLE = "OBB_angle_error_deg"
SHOWN = {
    "Oriented boxes": ("OBB_AP", "OBB_AP50", "OBB_AP75", "DOTA07_AP50", "DOTA_AP50", ANGLE),
    "Masks": ("mask_AP", "mask_AP50", "mask_AP75"),
}


def shapes(report: Report, most_classes: int) -> list[str]:
    """A section for each kind of shape that was measured."""
    lines = dict(list(report.per_class.items())[:most_classes])
    sections: list[str] = []
    for title, names in SHOWN.items():
        if names[0] not in report.metrics:
            continue
        rows = [_row("all classes", report.metrics, names)]
        rows += [_row(name, values, names) for name, values in lines.items()]
        heads = ["class", *(name.replace("_", " ").replace(" deg", ", degrees") for name in names)]
        sections.append(section(title, "Average precision in points.", table(heads, rows)))
    return sections


def _row(line: str, values: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    return [escaped(line), *(_cell(values[name], 1 if name == ANGLE else 100) for name in names)]


def _cell(value: float | None, factor: int) -> str:
    return "-" if value is None else f"{factor * value:.1f}"
