"""Which format a file or folder of labels is of, and which splits it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smalldet.data.formats.label_format import LabelFormat
from smalldet.data.formats.picture_files import SUFFIXES, is_dir, is_file
from smalldet.data.formats.split_names import by_split, split_of
from smalldet.data.formats.table import FORMATS

# Folders whose entries may be the splits, beside the folder itself.
INNER = ("", "labels", "annotations", "labelTxt", "Annotations")


@dataclass(frozen=True)
class Recognised:
    """What a path holds.

    Attributes:
        path: of the labels: what was looked at, or the file in it.
        label_format: of the path as a whole; None for a folder whose parts are sets of their own.
        splits: {split: where its labels are}; empty where labels are in one piece.
    """

    path: Path
    label_format: LabelFormat | None
    splits: Mapping[str, Path]

    def place(self, split: str | None) -> tuple[Path, LabelFormat]:
        """What to read for a split, None for a set in one piece, and the format of it."""
        if self.label_format is not None:
            return self.path, self.label_format
        assert split is not None
        return recognise(self.splits[split]).place(None)


def recognise(path: Path) -> Recognised:
    """The first format of the table that recognises a path, or what lies in a folder.

    That is `train` and `val` or the like, each of a format: folders, or files as `train.csv` and
    `val.csv`; or a single file of labels.

    Raises:
        FileNotFoundError: there is no such file or folder, or no labels are in the folder.
        ValueError: the file is of none of the formats, or several sets are of one split.
    """
    label_format = _format_of(path)
    if label_format is not None:
        return Recognised(path, label_format, label_format.splits(path))
    for inner in INNER:
        parts = _parts(path, path / inner)
        if parts:
            return Recognised(path, None, parts)
    files = _label_files(path)
    if len(files) > 1:
        listed = "\n  ".join(str(file) for file in files)
        raise ValueError(f"{path}: has several files of labels; name one of them:\n  {listed}")
    if files:
        return recognise(files[0])
    raise _unknown(path)


def recognised_format(path: Path) -> LabelFormat:
    """The first format of the table that recognises a file or folder.

    Raises:
        FileNotFoundError, ValueError: as of `recognise`.
    """
    label_format = _format_of(path)
    if label_format is None:
        raise _unknown(path)
    return label_format


def _format_of(path: Path) -> LabelFormat | None:
    return next((one for one in FORMATS if one.recognises(path)), None)


def _parts(path: Path, folder: Path) -> dict[str, Path]:
    """{split: what is recognised of it} among the entries of a folder."""
    entries = {entry.name: entry for entry in sorted(folder.iterdir())} if is_dir(folder) else {}
    named = [name for name, entry in entries.items() if split_of(name) and _has_labels(entry)]
    found = by_split(named)
    for split, names in found.items():
        if len(names) > 1:
            listed = "\n  ".join(str(entries[name]) for name in names)
            raise ValueError(
                f"{path}: several may be {split}; name the one instead of the folder:\n  {listed}"
            )
    return {split: entries[names[0]] for split, names in found.items()}


def _has_labels(path: Path) -> bool:
    return _format_of(path) is not None or len(_label_files(path)) == 1


def _label_files(folder: Path) -> list[Path]:
    """Files of labels; a folder may hold 100,000 pictures, which are not asked about."""
    if not is_dir(folder):
        return []
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() not in SUFFIXES]
    return [file for file in files if is_file(file) and _format_of(file) is not None]


def _unknown(path: Path) -> FileNotFoundError | ValueError:
    known = "".join(f"\n  {one.name}: {one.looks_like}" for one in FORMATS)
    if is_file(path):
        return ValueError(f"{path}: is no file of labels in a known format. Give one of{known}")
    if is_dir(path):
        return FileNotFoundError(f"{path}: has no labels in a known format. Give one of{known}")
    return FileNotFoundError(f"{path}: no such file or folder")
