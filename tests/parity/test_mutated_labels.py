"""Broken label files of every format are read soundly or refused by name, and never otherwise.

Each case breaks one file of a small sound set. What is read must then be finite, in its picture and
of the set's classes, and no picture of the set may be missing; see `outcomes` for what is counted.
"""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smalldet.data.formats.recognising import recognised_format
from smalldet.data.index import ImageRecord, Index
from tests.parity.label_sets import LABEL_SETS, LabelSet
from tests.parity.mutations import Mutation, a_text, some_bytes
from tests.parity.outcomes import Judge, Tally, num_cases

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
# Of all cases of the hostile tests these are read as labels.
SHARE = 0.62 / len(LABEL_SETS)


def equal(index: Index, sound: Index) -> bool:
    if index.class_names != sound.class_names or len(index) != len(sound):
        return False
    return all(_same(one, other) for one, other in zip(index.records, sound.records, strict=True))


def _same(one: ImageRecord, other: ImageRecord) -> bool:
    names = ("boxes", "labels", "ignore", "difficult", "rboxes", "masks")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    if any((a is None) != (b is None) for a, b in pairs):
        return False
    return (one.path, one.width, one.height, one.gsd_m, one.unknown) == (
        other.path, other.width, other.height, other.gsd_m, other.unknown,
    ) and all(a is None or np.array_equal(a, b) for a, b in pairs)  # fmt: skip


def fault_of(index: Index, known: LabelSet, raw: dict[str, bytes], sound: Index) -> str | None:
    """What is wrong with an Index that nobody was told of."""
    text = _text(raw)
    for record in index.records:
        fault = _fault_of_record(record, len(index.class_names))
        if fault:
            return f"{record.path.name}: {fault}"
    used = {index.class_names[label] for r in index.records for label in r.labels.tolist()}
    foreign = [name for name in used if not _named(name, text)]
    if foreign and not known.own_classes:
        return f"classes {foreign} are not in the file"
    there = {record.path.name for record in index.records}
    missing = {r.path.name for r in sound.records} - there
    # A picture that no file names any more is not missing, but those of a folder are.
    listed = _names_in(_text(known.raw()))
    missing = {name for name in missing if listed.isdisjoint(_names(name)) or name in text}
    return f"pictures {sorted(missing)} are missing" if missing else None


def _fault_of_record(record: ImageRecord, num_classes: int) -> str | None:
    boxes, labels = record.boxes, record.labels
    if not np.isfinite(boxes).all():
        return "a box that is not finite"
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        return "a box of no area"
    limits = np.array([record.width, record.height] * 2)
    if not ((boxes >= 0) & (boxes <= limits)).all():
        return "a box outside of its picture"
    if not ((labels >= 0) & (labels < num_classes)).all():
        return "a label out of range"
    if record.gsd_m is not None and not 0 < record.gsd_m < float("inf"):
        return f"gsd_m is {record.gsd_m}"
    rboxes = record.rboxes
    if rboxes is not None and not (np.isfinite(rboxes).all() and (rboxes[:, 2:4] > 0).all()):
        return "an oriented box that is not finite, or of no area"
    return None


def _named(name: str, text: str) -> bool:
    variants = (name, json.dumps(name)[1:-1], name.replace("&", "&amp;").replace("<", "&lt;"))
    if any("".join(one.split()) in "".join(text.split()) for one in variants):
        return True
    try:  # GDAL writes numbers in its own way
        return float(name) in map(float, NUMBER.findall(text))
    except ValueError:
        return False


def _text(raw: dict[str, bytes]) -> str:
    return b"\n".join(raw.values()).decode("utf-8", errors="replace")


def _names_in(text: str) -> set[str]:
    """What may name a picture: words between quotes, slashes, commas and space."""
    return set(re.split(r"[\s\"',:/]+", text))


def _names(picture: str) -> set[str]:
    return {picture, picture.partition(".")[0]}


class Said(logging.Handler):
    """Whether the readers warned."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warned = False

    def emit(self, record: logging.LogRecord) -> None:
        self.warned = True


def read(known: LabelSet, source: Path) -> Index:
    """As a person reads it: files of another kind are told so."""
    if not known.module.recognises(source):
        recognised_format(source)
        raise ValueError(f"{source}: is of another format")
    return known.module.read(source, **known.options)


def broken(known: LabelSet, name: str, raw: bytes, rng: random.Random) -> Mutation:
    content = known.files[name]
    if isinstance(content, bytes):
        return some_bytes(raw, rng)
    return a_text(raw, None if isinstance(content, str) else content, rng)


@pytest.mark.parametrize("name", LABEL_SETS)
@pytest.mark.parametrize("usual", [60, pytest.param(3000, marks=pytest.mark.slow)])
def test_broken_labels(
    name: str, usual: int, tmp_path: Path, record_outcomes: Callable[[str, Tally], None]
):
    known = LABEL_SETS[name]
    source = known.save(tmp_path)
    assert known.module.recognises(source)
    sound = known.module.read(source, **known.options)
    assert sum(len(record.boxes) for record in sound.records) > 0
    assert fault_of(sound, known, known.raw(), sound) is None
    rng, tally, said = random.Random(name), Tally(), Said()
    logger = logging.getLogger("smalldet")
    logger.addHandler(said)
    for _ in range(num_cases(usual, SHARE) if usual > 60 else usual):
        raw = known.raw()
        file = rng.choice(list(raw))
        mutation = broken(known, file, raw[file], rng)
        raw[file] = mutation.raw
        (tmp_path / file).write_bytes(mutation.raw)
        said.warned = False

        def fault(index: Index, raw: dict[str, bytes] = raw, same: bool = mutation.same):
            if said.warned:
                return _fault_or_none(index)
            return "another content" if same else fault_of(index, known, raw, sound)

        judge = Judge(
            lambda: read(known, source), tmp_path, lambda index: equal(index, sound), fault
        )
        tally.add(judge(), f"{file}: {mutation.kind}: {mutation.raw[:600]!r}")
        (tmp_path / file).write_bytes(known.raw()[file])
        shutil.rmtree(tmp_path / "a.record_images", ignore_errors=True)
    logger.removeHandler(said)
    record_outcomes(f"labels: {name}", tally)
    assert not tally.faults, tally.faults


def _fault_or_none(index: Index) -> str | None:
    faults = (_fault_of_record(record, len(index.class_names)) for record in index.records)
    return next((fault for fault in faults if fault), None)
