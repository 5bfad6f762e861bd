"""How many objects pictures hold: none at all, hardly any, or more than tools count."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import (
    MAX_EXAMPLES,
    Example,
    Finding,
    Severity,
    counted,
    share,
)
from smalldet.checking.labelled_set import WHOLE, LabelledSet
from smalldet.evaluation.options import EvaluateOptions

CAPS = {
    100: "COCO's tools count the strongest 100 of a picture",
    300: "many programs keep the strongest 300 of a picture",
}
MANY_EMPTY_FRAC = 0.5


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Splits without objects, pictures without any, and the most crowded ones against caps."""
    counts = np.bincount(labelled.objects.pictures, minlength=len(labelled.records))
    for split in labelled.splits:
        here = np.array([own == split for own in labelled.split_of], dtype=bool)
        yield from _empty(labelled, counts, here, split)
    yield from _crowded(labelled, counts)


def _empty(
    labelled: LabelledSet, counts: NDArray[np.int64], here: NDArray[np.bool_], split: str
) -> Iterator[Finding]:
    where, total = labelled.named(split), int(here.sum())
    if not counts[here].sum():
        yield Finding(
            Severity.ERROR if split in ("train", WHOLE) else Severity.WARNING,
            total,
            f"{counted(total, 'picture')}{where} without a single object",
            "label some, or look whether the labels are found",
        )
        return
    num = int((counts[here] == 0).sum())
    if num > MANY_EMPTY_FRAC * total:
        yield Finding(
            Severity.NOTE,
            num,
            f"{num:,} of {counted(total, 'picture')}{where} ({share(num, total)}) are without "
            "objects",
            "if they were not looked through, take them out: they are taught as background",
        )


def _crowded(labelled: LabelledSet, counts: NDArray[np.int64]) -> Iterator[Finding]:
    own = EvaluateOptions().max_detections
    caps = {**CAPS, own: f"`evaluate` counts {own:,} unless --max-detections says more"}
    passed = [cap for cap in caps if counts.size and counts.max() > cap]
    if not passed:
        return
    cap = passed[-1]
    rows = np.flatnonzero(counts > cap)
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    yield Finding(
        Severity.WARNING if cap == own else Severity.NOTE,
        len(rows),
        f"{counted(len(rows), 'picture holds', 'pictures hold')} more than {cap:,} objects, "
        f"the most crowded {counts.max():,}: {caps[cap]}",
        "mind the caps on detections where you compare or go on with other programs",
        tuple(
            Example(labelled.records[row].path, caption=counted(int(counts[row]), "object"))
            for row in rows[:MAX_EXAMPLES].tolist()
        ),
    )
