"""Reading a set for its checks: every split, with what the readers warn of."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from smalldet.checking.labelled_set import WHOLE, LabelledSet, ReaderMessage
from smalldet.data.formats.label_source import LabelSource
from smalldet.data.formats.picture_files import is_dir, pictures_in
from smalldet.data.formats.read_labels import label_splits, read_labels
from smalldet.data.index import Index

READERS = logging.getLogger("smalldet.data")
LEFT = "boxes left their pictures"
"""What readers say of boxes that they clip."""


def read_set(source: LabelSource) -> LabelledSet:
    """All splits of a set; one that cannot be read is a message, and the others are read.

    Raises:
        FileNotFoundError, ValueError: there are no labels at all, or in no known format.
    """
    indexes: dict[str, Index] = {}
    messages: list[ReaderMessage] = []
    for split in [*label_splits(source.annotations)] or [None]:
        name = split or WHOLE
        with _heard() as said:
            try:
                indexes[name] = read_labels(source, split=split)
            except (OSError, ValueError) as error:
                messages.append(ReaderMessage(name, str(error), True, _number(str(error))))
        for record in said:
            text = record.getMessage()
            clipped = LEFT in text
            if clipped or record.levelno >= logging.WARNING:
                messages.append(ReaderMessage(name, text, False, _number(text), clipped))
    return LabelledSet(indexes, tuple(messages))


def pictures_of(source: LabelSource) -> list[Path]:
    """The pictures that lie where a set's usually do, whatever its labels say; may be none."""
    place = source.annotations
    folder = place if is_dir(place) else place.parent / "images"
    folder = source.images or folder
    return pictures_in(folder, deep=True) if is_dir(folder) else []


class _Ears(logging.Handler):
    """Keeps what is said; what is for information goes on to who listens else."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)
        kept = record.levelno >= logging.WARNING or LEFT in record.getMessage()
        above = READERS.parent
        if not kept and above is not None and above.isEnabledFor(record.levelno):
            above.handle(record)


@contextmanager
def _heard() -> Generator[list[logging.LogRecord]]:
    ears, before = _Ears(), (READERS.propagate, READERS.level)
    READERS.addHandler(ears)
    READERS.propagate = False
    READERS.setLevel(logging.INFO)
    try:
        yield ears.said
    finally:
        READERS.removeHandler(ears)
        READERS.propagate, level = before
        READERS.setLevel(level)


def _number(text: str) -> int:
    """The count that a message begins with, behind the name of its file if it has one."""
    found = re.search(r"(?:^|: )([\d,]+) (?:of|wrong|objects|boxes|tasks|shapes|pictures)", text)
    return int(found[1].replace(",", "")) if found else 1
