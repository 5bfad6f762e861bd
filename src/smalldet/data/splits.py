"""Splits: labelled pictures shared out by a list, by share, or by the ground they show."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.data.footprints import Footprints, overlapping
from smalldet.data.index import Index

CHUNK_BYTES = 1 << 20
NUM_NAMED = 5


@dataclass(frozen=True)
class Shared:
    """What two splits have in common, as pairs of a picture of the first and one of the second.

    Args:
        files: the same file.
        contents: files of the same bytes; the same files are not named again.
        ground: georeferenced pictures that overlap; those named above are not named again.
    """

    files: tuple[tuple[Path, Path], ...]
    contents: tuple[tuple[Path, Path], ...]
    ground: tuple[tuple[Path, Path], ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.contents or self.ground)

    def warnings(self, first: str = "train", second: str = "val") -> list[str]:
        """A line for each kind, with the first names; none where nothing is shared."""
        kinds = [
            ("pictures", [str(a) for a, _ in self.files]),
            ("equal pictures", [f"{a} and {b}" for a, b in self.contents]),
            ("ground", [f"{a} and {b}" for a, b in self.ground]),
        ]
        lines = []
        for what, names in kinds:
            if names:
                more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
                shown = ", ".join(names[:NUM_NAMED])
                lines.append(f"{first} and {second} share {what}: {shown}{more}")
        return lines


def by_list(
    index: Index, lists: Mapping[str, Sequence[str]], rest: str | None = None
) -> dict[str, Index]:
    """Pictures as lists name them.

    Args:
        index: all pictures.
        lists: names for each split: a path or the end of one (`b/1.tif`), with or without its
            ending (`b/1`), as VOC's `ImageSets` and YOLO's `train.txt` have them.
        rest: the split of pictures that no list names; without it they are in none.

    Returns:
        an Index for each split, of pictures in the order of `index`.

    Raises:
        ValueError: a name meets no picture, or several, or two lists name the same one.
    """
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, record in enumerate(index.records):
        for key in _endings(record.path):
            places[key].append(row)
    chosen = {}
    for split, names in lists.items():
        for name in filter(None, map(str.strip, names)):
            rows = places.get(_parts(name), [])
            if len(rows) != 1:
                what = "no picture has this name" if not rows else f"{len(rows)} pictures have it"
                raise ValueError(f"the list of {split} names {name!r}: {what}")
            before = chosen.setdefault(rows[0], split)
            if before != split:
                path = index.records[rows[0]].path
                raise ValueError(f"{path}: the lists of {before} and {split} both name it")
    splits = [chosen.get(row, rest) for row in range(len(index))]
    names = list(lists) if rest is None or rest in lists else [*lists, rest]
    return {name: _part(index, splits, name) for name in names}


def by_share(index: Index, shares: Mapping[str, float], seed: int = 0) -> dict[str, Index]:
    """Pictures by chance, each for itself by its file's name.

    What is in a split stays there when pictures are added, removed or moved to another folder.
    Splits have about their shares, nearer the more pictures there are.

    Args:
        index: all pictures.
        shares: share of each split, such as {"train": 0.8, "val": 0.2}.
        seed: another one gives other splits.

    Raises:
        ValueError: a share is not positive, they do not add up to 1, or a split has no picture.
    """
    return _drawn(index, shares, seed, np.arange(len(index)), "pictures")


def by_ground(index: Index, shares: Mapping[str, float], seed: int = 0) -> dict[str, Index]:
    """Pictures by chance, those that show the same ground together.

    Georeferenced pictures that overlap, also by way of others, are never in two splits. Those that
    only touch do not overlap (see `footprints.overlapping`). A picture without a georeference is
    its own ground: equal or nearly equal ones are not looked for. A place goes by the name of one
    of its pictures, so that other places stay where they are when pictures are added. Splits
    have about their shares of places, not of pictures.

    Args:
        index: all pictures.
        shares: share of each split.
        seed: another one gives other splits.

    Raises:
        ValueError: as `by_share`, or no picture has a georeference.
    """
    footprints = Footprints.of([record.path for record in index.records])
    if len(index) and not footprints.known.any():
        raise ValueError(
            f"{index.records[0].path}: has no georeference, and no other picture has one; split by "
            "share or by a list"
        )
    group = _groups(len(index), overlapping(footprints, footprints))
    return _drawn(index, shares, seed, group, "places")


def shared(first: Index, second: Index) -> Shared:
    """The pictures and the ground that two splits share.

    Raises:
        FileNotFoundError, ValueError: a picture does not exist, or is none.
    """
    paths = [[record.path for record in index.records] for index in (first, second)]
    files = _equal(*([str(path.resolve()) for path in side] for side in paths))
    sizes = [[path.stat().st_size for path in side] for side in paths]
    both = set(sizes[0]) & set(sizes[1])
    hashes = [
        [_hash(path) if size in both else None for path, size in zip(side, of_side, strict=True)]
        for side, of_side in zip(paths, sizes, strict=True)
    ]
    contents = _equal(*hashes) - files
    ground = {
        (int(a), int(b)) for a, b in overlapping(*(Footprints.of(side) for side in paths)).tolist()
    }
    ground -= files | contents

    def named(pairs: set[tuple[int, int]]) -> tuple[tuple[Path, Path], ...]:
        return tuple((paths[0][a], paths[1][b]) for a, b in sorted(pairs))

    return Shared(named(files), named(contents), named(ground))


def shared_among(splits: Mapping[str, Index]) -> dict[tuple[str, str], Shared]:
    """`shared` of every two splits that share something."""
    found = {pair: shared(*(splits[name] for name in pair)) for pair in combinations(splits, 2)}
    return {pair: one for pair, one in found.items() if one}


def _drawn(
    index: Index, shares: Mapping[str, float], seed: int, group: NDArray[np.int64], what: str
) -> dict[str, Index]:
    values = list(shares.values())
    if not values or not all(0 < share <= 1 for share in values) or abs(sum(values) - 1) > 1e-6:
        raise ValueError(f"shares must be positive and add up to 1, not {dict(shares)}")
    names, limits = list(shares), np.cumsum(values)[:-1]
    # The picture whose order comes first speaks for its group, and its draw is another number: the
    # least of many draws would lean to the first split.
    draws = [_draws(record.path.name, seed) for record in index.records]
    spoken: dict[int, tuple[float, float]] = {}
    for key, draw in zip(group.tolist(), draws, strict=True):
        spoken[key] = min(draw, spoken.get(key, draw))
    drawn = [
        names[int(np.searchsorted(limits, spoken[key][1], side="right"))] for key in group.tolist()
    ]
    missing = [name for name in names if name not in drawn]
    if missing:
        raise ValueError(
            f"{len(spoken)} {what} leave {' and '.join(missing)} without a picture; take another "
            "seed, other shares or a list"
        )
    return {name: _part(index, drawn, name) for name in names}


def _draws(name: str, seed: int) -> tuple[float, float]:
    """Two even numbers from 0 to 1 that follow from a name."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode("utf-8", "surrogateescape"), digest_size=16)
    first, second = np.frombuffer(digest.digest(), dtype="<u8").tolist()
    return first / 2**64, second / 2**64


def _part(index: Index, splits: Sequence[str | None], name: str) -> Index:
    records = zip(index.records, splits, strict=True)
    return Index(index.class_names, tuple(record for record, own in records if own == name))


def _groups(num: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(num,) one number for all that hang together by pairs (P, 2): union-find."""
    parent = list(range(num))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for a, b in pairs.tolist():
        parent[root(a)] = root(b)
    return np.array([root(row) for row in range(num)], dtype=np.int64)


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _endings(path: Path) -> set[tuple[str, ...]]:
    """All ends of a path, with the file's ending and without."""
    whole = _parts(str(path))
    bare = _parts(str(path.with_suffix("")))
    return {parts[start:] for parts in (whole, bare) for start in range(len(parts))}


def _equal(
    first: Sequence[str | bytes | None], second: Sequence[str | bytes | None]
) -> set[tuple[int, int]]:
    places: dict[str | bytes, list[int]] = defaultdict(list)
    for row, key in enumerate(second):
        if key is not None:
            places[key].append(row)
    return {(a, b) for a, key in enumerate(first) if key is not None for b in places.get(key, ())}


def _hash(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.digest()
