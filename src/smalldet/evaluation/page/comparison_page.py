"""The page of a comparison: one sentence, intervals by size and class, recall against size."""

from __future__ import annotations

from smalldet.evaluation.page import charts
from smalldet.evaluation.page.size_charts import recall_chart
from smalldet.evaluation.recall_by_size import recall_by_size
from smalldet.evaluation.side_by_side import Difference, SideBySide, in_words
from smalldet.reporting.page import escaped, page, section, table
from smalldet.reporting.vega import chart, chart_scripts


def comparison_page(compared: SideBySide) -> str:
    """The whole page as HTML."""
    first, *others = compared.sides
    title = " against ".join([", ".join(side.name for side in others), first.name])
    recalls = {side.name: recall_by_size(side.comparison) for side in compared.sides}
    recall = chart(recall_chart(recalls), "recall by size")
    body = [
        _head(title, compared),
        section(
            "Differences",
            f"Points more than {first.name}, with 95 % intervals by a paired bootstrap.",
            f'<div class="card">{_difference_chart(compared)}</div>',
            _metrics(compared),
        ),
        section(
            "How small can they see",
            "Share of the objects of each size that are found at IoU 0.5, at each one's own "
            "confidence.",
            f'<div class="card">{recall}</div>',
        ),
        section("By class", "AP in points.", _classes(compared)),
        chart_scripts(),
    ]
    return page(title, body)


def _head(title: str, compared: SideBySide) -> str:
    tones = [_tone(differences.get("AP")) for differences in compared.differences]
    verdicts = "".join(
        f'<div class="card verdict {tone}">{escaped(sentence)}</div>'
        for tone, sentence in zip(tones, compared.sentences, strict=True)
    )
    report = compared.sides[0].report
    return (
        f"<header><h1>{escaped(title)}</h1>{verdicts}<p>{report.num_pictures:,} pictures, "
        f"{report.counts['all']:,} objects of {len(report.per_class)} classes.</p></header>"
    )


def _tone(one: Difference | None) -> str:
    if one is None or not one.is_real:
        return "note"
    return "good" if one.value > 0 else "error"


def _difference_chart(compared: SideBySide) -> str:
    rows = [
        {
            "line": side.name,
            "metric": name,
            "points": 100 * differences[name].value,
            "low": 100 * differences[name].low,
            "high": 100 * differences[name].high,
        }
        for side, differences in zip(compared.sides[1:], compared.differences, strict=True)
        for name in compared.metrics
        if name in differences
    ]
    spec = charts.difference_chart(rows, compared.metrics)
    return chart(spec, "differences with their intervals", 34 * len(compared.metrics))


def _metrics(compared: SideBySide) -> str:
    first, *others = compared.sides
    rows: list[list[str]] = []
    for name in compared.metrics:
        cells = [escaped(name), _points(first.report.metrics[name])]
        for side, differences in zip(others, compared.differences, strict=True):
            cells += [_points(side.report.metrics.get(name)), _told(differences.get(name))]
        rows.append(cells)
    return table(_heads("", compared), rows)


def _classes(compared: SideBySide) -> str:
    first, *others = compared.sides
    rows: list[list[str]] = []
    for name, row in first.report.per_class.items():
        cells = [escaped(name), _points(row["AP"])]
        for side, differences in zip(others, compared.by_class, strict=True):
            cells += [_points(side.report.per_class[name]["AP"]), _told(differences.get(name))]
        rows.append(cells)
    return table(_heads("class", compared), rows)


def _heads(first: str, compared: SideBySide) -> list[str]:
    names = [side.name for side in compared.sides]
    return [first, names[0], *(head for name in names[1:] for head in (name, "difference"))]


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _told(one: Difference | None) -> str:
    if one is None:
        return "-"
    return f"<b>{in_words(one)}</b>" if one.is_real else in_words(one)
