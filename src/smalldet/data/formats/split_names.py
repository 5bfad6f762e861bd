"""The names of splits, in files and folders of data sets."""

from __future__ import annotations

import re
from collections.abc import Iterable

WORDS_OF = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "eval"),
    "test": ("test", "testing"),
}
"""The words that stand for each split, the likeliest first."""
SPLITS = tuple(WORDS_OF)


def split_of(name: str) -> str | None:
    """The split that a name has as a word, as `instances_val2017` has val; else None."""
    words = _words(name)
    return next((split for split, own in WORDS_OF.items() if not words.isdisjoint(own)), None)


def by_split(names: Iterable[str]) -> dict[str, list[str]]:
    """{split: names that have its likeliest word}: `train` goes before `trainval`."""
    words_of = {name: _words(name) for name in names}
    found: dict[str, list[str]] = {}
    for split, own in WORDS_OF.items():
        of_word = ([name for name, words in words_of.items() if one in words] for one in own)
        chosen = next((names for names in of_word if names), [])
        if chosen:
            found[split] = chosen
    return found


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))
