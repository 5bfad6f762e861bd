"""What the readers of labels refused, left out or clipped."""

from __future__ import annotations

from collections.abc import Iterator

from smalldet.checking.findings import Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Labels that cannot be read, and what a reader warns of."""
    for said in labelled.messages:
        where = labelled.named(said.split)
        if said.fatal:
            yield Finding(Severity.ERROR, said.count, f"no labels{where} can be read: {said.text}")
        elif said.clipped:
            yield Finding(
                Severity.WARNING,
                said.count,
                f"{counted(said.count, 'box', 'boxes')}{where} reached out of their pictures and "
                "were clipped",
                "look whether the labels were made for pictures of another size, or count pixels "
                "from another corner",
            )
        else:
            yield Finding(Severity.WARNING, said.count, said.text.rstrip(".") + where)
