"""Pictures that cannot be read, have another size than their labels say, or show nothing."""

from __future__ import annotations

from collections.abc import Iterator

from smalldet.checking.findings import MAX_EXAMPLES, Example, Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Files that are damaged, of another size, or of one colour."""
    looks = labelled.looks or {}
    total = len(looks)
    broken = [
        Example(path, caption=look.error, readable=False)
        for path, look in looks.items()
        if look.error is not None
    ]
    if broken:
        yield _finding(
            Severity.ERROR,
            broken,
            f"{counted(len(broken), 'picture')} of {total:,} cannot be read: {broken[0].caption}",
            "replace them, or take them out of the labels",
        )
    other = [
        Example(
            record.path,
            caption=f"is {look.width} x {look.height} px, the labels say "
            f"{record.width} x {record.height}",
        )
        for record in labelled.records
        if (look := looks.get(record.path)) is not None
        and look.error is None
        and (look.width, look.height) != (record.width, record.height)
    ]
    if other:
        yield _finding(
            Severity.ERROR,
            other,
            f"{counted(len(other), 'picture')} of {total:,} of another size than the labels say: "
            f"the first {other[0].caption}",
            "take the pictures that were labelled, or scale the labels; a picture that its EXIF "
            "orientation turns is saved upright",
        )
    plain = [Example(path, caption="one colour") for path, look in looks.items() if look.plain]
    if plain:
        yield _finding(
            Severity.WARNING,
            plain,
            f"{counted(len(plain), 'picture')} of {total:,} of one colour all over",
            "look whether they were written whole",
        )


def _finding(severity: Severity, examples: list[Example], text: str, todo: str) -> Finding:
    return Finding(severity, len(examples), text, todo, tuple(examples[:MAX_EXAMPLES]))
