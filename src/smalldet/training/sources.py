"""Labelled sources of a recipe to one Index."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from smalldet.checking.check import quick_findings
from smalldet.checking.findings import Severity
from smalldet.class_names import class_key
from smalldet.data.distances import with_distances
from smalldet.data.footprints import Footprints
from smalldet.data.formats.picture_lists import listed_names
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import Index, joined
from smalldet.data.splits import by_ground, by_list, by_share, shared
from smalldet.training.sections import SourceConfig, SourcesConfig
from smalldet.wording import shortened

MAX_CLASSES_NAMED = 10

logger = logging.getLogger(__name__)


def read_splits(data: SourcesConfig, *, with_masks: bool = False) -> tuple[Index, Index | None]:
    """Pictures to train on and to measure on, under the classes of the run.

    Logged as warnings are classes without an object to train on, what both share, pictures or
    ground, and what the quick part of `smalldet check` finds in the labels.

    Args:
        data: sources of the recipe.
        with_masks: read outlines too, of those to train on.

    Raises:
        FileNotFoundError, ValueError: as of `read_sources` and of `smalldet.data.splits`.
    """
    train, val = divide_sources(data, with_masks=with_masks)
    if unseen := [name for name, count in train.counts().items() if not count]:
        logger.warning(
            "no object to train on of %s: the model will learn that there is none anywhere; "
            "leave out classes that are not labelled",
            shortened(unseen, MAX_CLASSES_NAMED),
        )
    if val is not None:
        for line in shared(train, val).warnings():
            logger.warning("%s", line)
    for finding in quick_findings(
        {"train": train} if val is None else {"train": train, "val": val}
    ):
        if finding.severity is not Severity.NOTE:
            logger.warning("%s", finding.line())
    return train, val


def divide_sources(data: SourcesConfig, *, with_masks: bool = False) -> tuple[Index, Index | None]:
    """As `read_splits`, without a look at what may be wrong with the labels."""
    train = with_distances(read_sources(data.train, data.classes, with_masks=with_masks))
    if data.val:
        return train, read_sources(data.val, train.class_names, split="val")
    if data.val_list is not None:
        lists = {"val": listed_names(data.val_list)}
        parts = by_list(train, lists, rest="train")
    elif data.val_share is not None:
        divide = by_ground if _go_by_ground(data, train) else by_share
        parts = divide(train, {"train": 1 - data.val_share, "val": data.val_share})
        num_train, num_val = len(parts["train"]), len(parts["val"])
        logger.info("%d pictures to train on, %d to measure on", num_train, num_val)
    else:
        return train, None
    return parts["train"], parts["val"]


def _go_by_ground(data: SourcesConfig, index: Index) -> bool:
    if data.split_by == "auto":
        return bool(Footprints.of([record.path for record in index.records]).known.any())
    return data.split_by == "ground"


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
        index = index.renamed(names, source.map, source.unknown)
        if source.gsd_m is not None:
            records = tuple(replace(record, gsd_m=source.gsd_m) for record in index.records)
            index = Index(index.class_names, records)
        parts.append(index)
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
