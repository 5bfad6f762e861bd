"""How large objects are, in pixels and in metres."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from smalldet.checking.findings import Example, Finding, Severity, counted, figure, share
from smalldet.checking.labelled_set import LabelledSet
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX

TINY_PX = SIZE_RANGES_PX["very_tiny"][1]
GSD_TIMES = 1.5


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """The usual sizes, the share of tiny ones, and pictures of unlike resolution."""
    objects = labelled.objects
    if not len(objects):
        return
    low, middle, high = np.percentile(objects.sizes_px, (5, 50, 95)).tolist()
    num_tiny = int((objects.sizes_px < TINY_PX).sum())
    yield Finding(
        Severity.NOTE,
        len(objects),
        f"{figure(middle)} px is the median side of {counted(len(objects), 'object')}, nine in ten "
        f"are {figure(low)} to {figure(high)} px, {share(num_tiny, len(objects))} are under "
        f"{TINY_PX:g} px",
    )
    known = np.isfinite(objects.gsd_m)
    if not known.any():
        return
    metres = (objects.sizes_px * objects.gsd_m)[known]
    low, middle, high = np.percentile(metres, (5, 50, 95)).tolist()
    yield Finding(
        Severity.NOTE,
        int(known.sum()),
        f"{figure(middle)} m is the median side of the {counted(int(known.sum()), 'object')} whose "
        f"ground sample distance is known, nine in ten are {figure(low)} to {figure(high)} m",
    )
    yield from _resolutions(labelled)


def _resolutions(labelled: LabelledSet) -> Iterator[Finding]:
    pairs = [(labelled.gsd_of(record), record) for record in labelled.records]
    known = sorted(((gsd, r) for gsd, r in pairs if gsd), key=lambda pair: pair[0])
    if known and known[-1][0] > GSD_TIMES * known[0][0]:
        finest, coarsest = known[0], known[-1]
        yield Finding(
            Severity.NOTE,
            len(known),
            f"{figure(finest[0])} to {figure(coarsest[0])} m a pixel is the range of ground sample "
            "distances: the same object has unlike sizes",
            "look whether scale_jitter covers it, or bring the pictures to one resolution",
            tuple(
                Example(r.path, caption=f"{figure(gsd)} m a pixel") for gsd, r in (finest, coarsest)
            ),
        )
