"""Charts as SVG that lies in the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalldet.reporting.page import escaped

WIDTH, HEIGHT, FOOT, HEAD = 1040, 220, 40, 22
MOST_BINS = 48
BINS_PER_DOUBLING = 4


def size_histogram(
    sizes: ArrayLike, unit: str, ranges: Sequence[tuple[str, float, float]] = ()
) -> str:
    """How many objects are of each size, on a scale of doublings.

    Args:
        sizes: (N,) positive.
        unit: of the sizes, such as `px`.
        ranges: (name, low, high) that are marked over the bars with their shares.
    """
    values = np.asarray(sizes, dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return ""
    first, last = np.floor(np.log2(values.min())), np.ceil(np.log2(values.max() * 1.0001))
    last = max(last, first + 1)
    bins = int(min(MOST_BINS, (last - first) * BINS_PER_DOUBLING))
    counts = np.histogram(np.log2(values), bins=bins, range=(first, last))[0]

    def x_of(size: float) -> float:
        place = (np.log2(max(size, 1e-9)) - first) / (last - first)
        return float(np.clip(place, 0, 1)) * WIDTH

    bars = _bars(counts, WIDTH / bins)
    ticks = [2.0**power for power in range(int(first), int(last) + 1)]
    axis = "".join(_tick(x_of(size), f"{size:g}") for size in ticks)
    marks = "".join(
        _range(x_of(low), x_of(high), name, float(np.mean((values >= low) & (values < high))))
        for name, low, high in ranges
        if ((values >= low) & (values < high)).any()
    )
    unit_text = (
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 4}" text-anchor="middle">side in {escaped(unit)} '
        "(square root of the area)</text>"
    )
    return (
        f'<div class="card"><svg viewBox="-14 0 {WIDTH + 28} {HEIGHT}" width="{WIDTH + 28}" '
        f'role="img" aria-label="objects by size">{marks}{bars}{axis}{unit_text}</svg></div>'
    )


def _bars(counts: NDArray[np.int64], step: float) -> str:
    most, floor = max(int(counts.max()), 1), HEIGHT - FOOT
    tall = (floor - HEAD - 14) * counts / most
    return "".join(
        f'<rect class="bar" x="{row * step + 0.5:.1f}" y="{floor - height:.1f}" '
        f'width="{step - 1:.1f}" height="{height:.1f}"><title>{count:,}</title></rect>'
        for row, (count, height) in enumerate(zip(counts.tolist(), tall.tolist(), strict=True))
        if count
    )


def _tick(x: float, text: str) -> str:
    floor = HEIGHT - FOOT
    return (
        f'<line class="grid" x1="{x:.1f}" y1="{floor}" x2="{x:.1f}" y2="{floor + 5}"/>'
        f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{escaped(text)}</text>'
    )


def _range(x1: float, x2: float, name: str, share: float) -> str:
    line = f'<line class="grid" x1="{x2:.1f}" y1="4" x2="{x2:.1f}" y2="{HEIGHT - FOOT}"/>'
    if x2 - x1 < 50:
        return line
    percent = f"{100 * share:.0f}" if share >= 0.01 else f"{100 * share:.1g}"
    words = f"{name.replace('_', ' ')} {percent} %"
    return (
        f'{line}<text x="{(x1 + x2) / 2:.1f}" y="14" text-anchor="middle">{escaped(words)}</text>'
    )
