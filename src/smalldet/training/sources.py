"""Labelled sources of a recipe to one Index."""

from __future__ import annotations

from collections.abc import Sequence

from smalldet.class_names import class_key
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import Index, joined
from smalldet.training.sections import SourceConfig


def read_sources(
    sources: Sequence[SourceConfig],
    classes: Sequence[str] | None,
    *,
    split: str = "train",
    with_masks: bool = False,
) -> Index:
    """Pictures of all sources under the classes of the run.

    Args:
        sources: at least one.
        classes: of the run; default those of the first source.
        split: which part of sources that have several.
        with_masks: read outlines too.

    Raises:
        ValueError: a class that a source lacks is not declared, or a name does not exist.
    """
    indexes = [read_labels(source, split=split, with_masks=with_masks) for source in sources]
    names = tuple(classes) if classes else indexes[0].class_names
    parts = []
    for source, index in zip(sources, indexes, strict=True):
        _check_declared(source, index, names)
        parts.append(index.renamed(names, source.map, source.unknown))
    return joined(parts)


def _check_declared(source: SourceConfig, index: Index, names: Sequence[str]) -> None:
    renames = {class_key(a): class_key(b) for a, b in source.map.items()}
    labelled = {renames.get(class_key(n), class_key(n)) for n in index.class_names}
    spoken_for = labelled | {class_key(n) for n in (*source.absent, *source.unknown)}
    open_names = [name for name in names if class_key(name) not in spoken_for]
    if open_names:
        raise ValueError(
            f"{source.annotations}: has no labels for {open_names}. Say for each whether it is "
            "`absent` (never in these pictures) or `unknown` (may be there without a label)"
        )
    twice = [n for n in source.absent if class_key(n) in labelled]
    if twice:
        raise ValueError(f"{source.annotations}: labels {twice}, so they cannot be `absent`")
