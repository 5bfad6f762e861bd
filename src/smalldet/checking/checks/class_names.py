"""Class names that may be one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from smalldet.checking.findings import Finding, Severity, counted, listed
from smalldet.checking.labelled_set import LabelledSet
from smalldet.class_names import class_key


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Names that differ in case, in what is no letter or digit, or in a plural's end."""
    names = dict.fromkeys(name for index in labelled.splits.values() for name in index.class_names)
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[class_key(name)].append(name)
    groups = [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
    if groups:
        yield Finding(
            Severity.WARNING,
            len(groups),
            f"{counted(len(groups), 'class has', 'classes have')} several spellings: "
            f"{listed(groups)}",
            "they are taken for one class; use one spelling",
        )
    plurals = [
        f"{alike[key][0]!r} and {alike[key + end][0]!r}"
        for key in alike
        for end in ("s", "es")
        if key and key + end in alike
    ]
    if plurals:
        yield Finding(
            Severity.WARNING,
            len(plurals),
            f"{counted(len(plurals), 'pair')} of classes with names that differ in their end "
            f"alone: {listed(plurals)}",
            "if they are one class, rename one (`map` of a recipe's source)",
        )
