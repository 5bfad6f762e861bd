"""Classes without objects, in one split alone, or rare."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smalldet.checking.findings import Finding, Severity, counted, listed
from smalldet.checking.labelled_set import LabelledSet

RARE = 20
SKEW = 50


def counts_by_split(labelled: LabelledSet) -> dict[str, NDArray[np.int64]]:
    """{split: (C,) objects of each class of the set}."""
    splits = np.array(labelled.split_of)[labelled.objects.pictures]
    num = len(labelled.class_names)
    return {
        name: np.bincount(labelled.objects.labels[splits == name], minlength=num)
        for name in labelled.splits
    }


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Classes that cannot be learned or measured."""
    counts = counts_by_split(labelled)
    if not counts:
        return
    names = np.array(labelled.class_names, dtype=object)
    total = sum(counts.values())
    assert not isinstance(total, int)
    open_classes = {label for r in labelled.records for label in r.unknown}
    spoken_for = np.array([label in open_classes for label in range(len(names))], dtype=bool)
    if "train" in counts:
        unlearned = (counts["train"] == 0) & (total > 0)
        yield from _told(
            names[unlearned],
            Severity.WARNING,
            (
                "class has objects, but none to train on",
                "classes have objects, but none to train on",
            ),
            "a model cannot learn them; divide the pictures otherwise or leave the classes out",
        )
    for split in ("val", "test"):
        if "train" in counts and split in counts:
            unmeasured = (counts[split] == 0) & (counts["train"] > 0) & ~spoken_for
            yield from _told(
                names[unmeasured],
                Severity.NOTE,
                (f"class has no object in {split}", f"classes have no object in {split}"),
                "nothing is measured of them",
            )
    yield from _told(
        names[total == 0],
        Severity.NOTE,
        ("class has no object at all", "classes have no object at all"),
    )
    learned = counts.get("train", total)
    rare = (learned > 0) & (learned < RARE)
    yield from _told(
        np.array([f"{n} ({c})" for n, c in zip(names[rare], learned[rare], strict=True)]),
        Severity.NOTE,
        tuple(
            f"{what} fewer than {RARE} objects to train on"
            for what in ("class has", "classes have")
        ),
        "label more, or show them oftener by data.repeat_threshold",
    )
    if (learned > 0).sum() > 1 and learned.max() > SKEW * learned[learned > 0].min():
        most, least = int(learned.argmax()), int(np.where(learned > 0, learned, 1 << 62).argmin())
        times = learned[most] / learned[least]
        yield Finding(
            Severity.NOTE,
            int(times),
            f"{times:,.0f} times as many objects are {names[most]} as {names[least]}",
            "look at the AP of each class, not at their mean alone; data.repeat_threshold evens it",
        )


def _told(
    names: NDArray[np.object_], severity: Severity, texts: tuple[str, ...], todo: str = ""
) -> Iterator[Finding]:
    """Nothing of no names; the first text is of one class, the second of several."""
    num = len(names)
    if num:
        text = counted(num, *texts)
        yield Finding(severity, num, f"{text}: {listed(names.tolist())}", todo)
