"""What a format of labels is to the rest: how it is recognised, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import Index

OF_FORMATS = ("first_pixel", "class_field", "side_m", "area")
"""Fields of a `LabelSource` that only some formats know."""


def no_splits(path: Path) -> Mapping[str, Path]:
    """Of formats that keep training and validation in places of their own."""
    return {}


@dataclass(frozen=True)
class LabelFormat:
    """A row of the table of formats.

    Attributes:
        name: for people.
        looks_like: what a person looks for in a folder, for messages.
        recognises: whether a file or folder is of this format, by names and first lines. It raises
            nothing, whatever is in them.
        read: of (source, split, with_masks). The split is `train`, `val` or another word that
            `splits` knows, or None; formats without splits pass over it. Outlines are read
            `with_masks` where the format has them.
        write: of (Index, path); None where the format is only read.
        splits: {split: where its labels are}, by what there is at a path that was recognised.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    read: Callable[[LabelSource, str | None, bool], Index]
    write: Callable[[Index, Path], object] | None = None
    splits: Callable[[Path], Mapping[str, Path]] = no_splits


def label_format(name: str, looks_like: str, module: Any) -> LabelFormat:
    """The row of a module with `recognises` and `read`, and `splits` where it has them.

    `read` takes (path, images, class names), and of `split`, `with_masks` and `OF_FORMATS` those
    that it has by name.
    """
    accepted = signature(module.read).parameters

    def read(source: LabelSource, split: str | None, with_masks: bool) -> Index:
        said = source.model_dump(include=set(OF_FORMATS))
        said |= {"split": split, "with_masks": with_masks}
        options = {key: it for key, it in said.items() if key in accepted and it is not None}
        return module.read(source.annotations, source.images, source.class_names, **options)

    splits = getattr(module, "splits", no_splits)
    return LabelFormat(name, looks_like, module.recognises, read, splits=splits)
