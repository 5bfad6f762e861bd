"""What a format of labels is to the rest: how it is recognised, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from smalldet.data.formats.label_source import LabelSource
from smalldet.data.index import Index

OF_FORMATS = ("first_pixel", "class_field", "class_level", "side_m", "area", "layer")
"""Fields of a `LabelSource` that only some formats know."""


def no_splits(path: Path) -> Mapping[str, Path]:
    """Of formats whose files are one split each."""
    return {}


@dataclass(frozen=True)
class Writer:
    """How labelled pictures are written in a format.

    Attributes:
        name: as it is typed, such as `yolo`.
        write: of (Index, folder, split); gives the files. A set in one piece is written as `train`.
        loses: what the format cannot keep, of `smalldet.data.converting.PARTS`.
    """

    name: str
    write: Callable[[Index, Path, str], list[Path]]
    loses: tuple[str, ...]


@dataclass(frozen=True)
class LabelFormat:
    """A row of the table of formats.

    Attributes:
        name: for people.
        looks_like: what a person looks for in a folder, for messages.
        recognises: whether a file or folder is of this format, by names and first lines. It raises
            nothing, whatever is in them.
        read: of (source, split, with_masks). The split is one that `splits` has, None where it has
            none. Outlines are read `with_masks` where the format has them.
        writer: None where the format is only read.
        splits: {split: where its labels are}, by what there is at a path that was recognised; empty
            where labels are in one piece.
    """

    name: str
    looks_like: str
    recognises: Callable[[Path], bool]
    read: Callable[[LabelSource, str | None, bool], Index]
    writer: Writer | None = None
    splits: Callable[[Path], Mapping[str, Path]] = no_splits


def label_format(name: str, looks_like: str, module: Any, to: str | None = None) -> LabelFormat:
    """The row of a module with `recognises` and `read`, and `splits` where it has them.

    `read` takes (path, images, class names), and of `split`, `with_masks` and `OF_FORMATS` those
    that it has by name.

    Args:
        name: of the format, for people.
        looks_like: see `LabelFormat`.
        module: of the format.
        to: name under which the module's `write` is asked for; None if it has none.
    """
    accepted = signature(module.read).parameters

    def read(source: LabelSource, split: str | None, with_masks: bool) -> Index:
        said = source.model_dump(include=set(OF_FORMATS), exclude_defaults=True)
        foreign = [key for key in said if key not in accepted]
        if foreign:
            raise ValueError(f"{source.annotations}: is {name}, which has no {foreign[0]}")
        said |= {"split": split, "with_masks": with_masks}
        options = {key: it for key, it in said.items() if key in accepted}
        return module.read(source.annotations, source.images, source.class_names, **options)

    splits = getattr(module, "splits", no_splits)
    return LabelFormat(name, looks_like, module.recognises, read, _writer(module, to), splits)


def _writer(module: Any, to: str | None) -> Writer | None:
    if to is None:
        return None
    by_name = "split" in signature(module.write).parameters

    def write(index: Index, out_dir: Path, split: str) -> list[Path]:
        if by_name:
            return module.write(index, out_dir, split=split)
        return module.write(index, out_dir / split)

    return Writer(to, write, module.LOSES)
