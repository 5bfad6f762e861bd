"""Pictures that are listed twice, or whose names differ in case or ending alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from smalldet.checking.findings import MAX_EXAMPLES, Example, Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Names that another program, or another file system, takes for one."""
    for split, index in labelled.splits.items():
        counts = Counter(record.path for record in index.records)
        twice = [path for path, num in counts.items() if num > 1]
        if twice:
            yield Finding(
                Severity.WARNING,
                len(twice),
                f"{counted(len(twice), 'picture stands', 'pictures stand')} more than once"
                f"{labelled.named(split)}",
                "keep one entry with all its objects: what only the other entry labels is taught "
                "as background",
                tuple(Example(path) for path in twice[:MAX_EXAMPLES]),
            )
    alike: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(record.path for record in labelled.records):
        alike[str(path.with_suffix("")).casefold()].append(path)
    groups = [paths for paths in alike.values() if len(paths) > 1]
    if groups:
        yield Finding(
            Severity.WARNING,
            len(groups),
            f"{counted(len(groups), 'group')} of pictures with names that differ in case or "
            "ending alone",
            "rename one of each: labels that go by name fit both",
            tuple(
                Example(paths[0], caption=f"and {paths[1].name}", other=paths[1])
                for paths in groups[:MAX_EXAMPLES]
            ),
        )
