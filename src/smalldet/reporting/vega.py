"""Charts by Vega-Lite, whose library lies in the page: nothing is loaded from elsewhere."""

from __future__ import annotations

from typing import Any

from smalldet.reporting.assets import as_data, script
from smalldet.reporting.page import escaped

LIBRARIES = ("vendor/vega.min.js", "vendor/vega-lite.min.js")
"""BSD-3-Clause; the licences lie beside them."""

Spec = dict[str, Any]
"""A chart in the grammar of Vega-Lite, with its data as values."""


def chart(spec: Spec, label: str, height: int = 260) -> str:
    """A chart as HTML; it is drawn when it comes into view, in the page's colours.

    Args:
        spec: without width, height and colours of text and grid.
        label: what it shows, for readers that are told and do not see.
        height: of the plot in px of the page; its width is the page's.
    """
    whole = {"width": "container", "height": height, **spec}
    return (
        f'<div class="chart" role="img" aria-label="{escaped(label)}" '
        f'style="min-height:{height + 60}px">{as_data(whole)}</div>'
    )


def chart_scripts() -> str:
    """What draws the charts of a page; it stands behind them."""
    return "\n".join(map(script, (*LIBRARIES, "charts.js")))
