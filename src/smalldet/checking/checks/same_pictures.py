"""Pictures that are equal, nearly equal, or of the same ground, in a split and across splits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from smalldet.checking.findings import MAX_EXAMPLES, Example, Finding, Severity, counted
from smalldet.checking.labelled_set import LabelledSet
from smalldet.checking.looking import Look
from smalldet.checking.near_equal import near_equal
from smalldet.data.footprints import Footprints, overlapping

LEAK = "what is measured on them was learned by heart; divide by place, flight or day"
# What a picture has in another split, and what groups in one split are made of.
KINDS = {
    "equal": ("a copy", "copies"),
    "ground": ("the same ground", "pictures of the same ground"),
    "near": ("nearly the same picture", "nearly equal pictures"),
}


def find(labelled: LabelledSet) -> Iterator[Finding]:
    """Pairs of pictures, each told once: by bytes, by ground, by looks."""
    looks = labelled.looks or {}
    splits_of: dict[Path, set[str]] = defaultdict(set)
    for record, split in zip(labelled.records, labelled.split_of, strict=True):
        if record.path in looks and looks[record.path].error is None:
            splits_of[record.path].add(split)
    paths, splits = list(splits_of), list(splits_of.values())
    yield from _in_both(paths, splits)
    told: set[tuple[int, int]] = set()
    across: dict[str, list[Example]] = {kind: [] for kind in KINDS}
    within: dict[str, list[Example]] = {kind: [] for kind in KINDS}
    joined: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    for kind, (a, b), caption in _pairs(looks, paths, splits):
        if (a, b) in told:
            continue
        told.add((a, b))
        apart = not splits[a] & splits[b]
        names = f" ({min(splits[a])} and {min(splits[b])})" if apart else ""
        example = Example(paths[a], caption=caption + names, other=paths[b])
        (across if apart else within)[kind].append(example)
        if not apart:
            joined[kind].append((a, b))
    for kind, (one, _) in KINDS.items():
        if examples := across[kind]:
            num = len({example.other for example in examples})
            yield Finding(
                Severity.WARNING,
                num,
                f"{counted(num, 'picture has', 'pictures have')} {one} in another split",
                LEAK,
                tuple(examples[:MAX_EXAMPLES]),
            )
    for kind, (_, several) in KINDS.items():
        if examples := within[kind]:
            groups = _groups(joined[kind])
            num = sum(map(len, groups))
            yield Finding(
                Severity.WARNING if kind == "equal" else Severity.NOTE,
                num,
                f"{num:,} pictures make {counted(len(groups), 'group')} of {several}",
                "keep one of each group, with all its objects"
                if kind == "equal"
                else "a group teaches little more than one of it; never part it between splits",
                tuple(examples[:MAX_EXAMPLES]),
            )


def _groups(pairs: list[tuple[int, int]]) -> list[set[int]]:
    """What hangs together by pairs."""
    group_of: dict[int, set[int]] = {}
    for a, b in pairs:
        joined = group_of.get(a, {a}) | group_of.get(b, {b})
        group_of.update(dict.fromkeys(joined, joined))
    return list({id(group): group for group in group_of.values()}.values())


def _in_both(paths: list[Path], splits: list[set[str]]) -> Iterator[Finding]:
    both = [
        Example(path, caption=" and ".join(sorted(own)))
        for path, own in zip(paths, splits, strict=True)
        if len(own) > 1
    ]
    if both:
        yield Finding(
            Severity.WARNING,
            len(both),
            f"{counted(len(both), 'picture stands', 'pictures stand')} in two splits",
            LEAK,
            tuple(both[:MAX_EXAMPLES]),
        )


def _pairs(
    looks: Mapping[Path, Look], paths: list[Path], splits: list[set[str]]
) -> Iterator[tuple[str, tuple[int, int], str]]:
    """Kind, rows, and words for a pair."""
    for pair in _equal(paths):
        yield "equal", pair, "equal"
    for pair in _same_ground([(row, p) for row, p in enumerate(paths) if looks[p].gsd_m]):
        yield "ground", pair, "the same ground"
    thumbs = [thumb for path in paths if (thumb := looks[path].thumb) is not None]
    for twins in near_equal(thumbs, [min(own) for own in splits]):
        for twin in twins:
            words = f"alike by {twin.likeness:.2f}{twin.turn}"
            yield "near", (twin.first, twin.second), words


def _same_ground(placed: list[tuple[int, Path]]) -> Iterator[tuple[int, int]]:
    """Pairs of rows of pictures that overlap on earth; those without a longitude are left out."""
    rows: list[int] = []
    known: list[Footprints] = []
    for row, path in placed:
        with suppress(ValueError):
            known.append(Footprints.of([path]))
            rows.append(row)
    if known:
        shapes = np.concatenate([one.shapes for one in known])
        ground = Footprints(shapes, np.ones(len(shapes), dtype=np.bool_))
        for a, b in overlapping(ground, ground).tolist():
            if a < b:
                yield rows[a], rows[b]


def _equal(paths: list[Path]) -> Iterator[tuple[int, int]]:
    """Files of the same bytes; only those of one size are read."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        by_size[path.stat().st_size].append(row)
    for rows in by_size.values():
        by_bytes: dict[bytes, list[int]] = defaultdict(list)
        for row in rows if len(rows) > 1 else ():
            with paths[row].open("rb") as file:
                by_bytes[hashlib.file_digest(file, "blake2b").digest()].append(row)
        for alike in by_bytes.values():
            yield from ((alike[0], other) for other in alike[1:])
