"""The gallery shows the worst of every kind, class and size, and counts all."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.errors import ERROR_KINDS, Errors, find_errors
from smalldet.evaluation.page.gallery import ROLES, gallery, worst_first
from tests.evaluation.by_hand import found, index, picture


def drawn_errors(num: int) -> tuple[Errors, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kinds = rng.choice(len(ERROR_KINDS), num, p=[0.01, 0.1, 0.01, 0.08, 0.6, 0.2])
    scores = np.where(kinds == 5, 0.0, rng.uniform(0.2, 1, num))
    none = np.full(num, -1)
    errors = Errors(
        none, rng.integers(0, 3, num), np.zeros((num, 4)), scores, kinds.astype(np.int8), none, none
    )
    sides = rng.uniform(2, 60, num)
    return errors, sides, (sides > 16).astype(np.int64)


def test_every_cell_has_its_worst_before_any_has_its_second() -> None:
    errors, sides, sizes = drawn_errors(3000)
    cells = np.stack([errors.kinds, errors.labels, sizes], axis=1)
    num_cells = len(np.unique(cells, axis=0))
    rows = worst_first(errors, sides, sizes, most=num_cells)
    assert len(np.unique(cells[rows], axis=0)) == num_cells
    for row in rows:
        alike = (cells == cells[row]).all(axis=1)
        badness = sides if errors.kinds[row] == 5 else errors.scores
        assert badness[row] == badness[alike].max()
    assert len(worst_first(errors, sides, sizes, most=100)) == 100
    everything = worst_first(errors, sides, sizes, most=5000)
    assert sorted(everything.tolist()) == list(range(3000))


def compared(folder: Path) -> Comparison:
    """One object of 6 px missed, one found loosely, one false alarm; the picture is real."""
    pixels = np.full((200, 300, 3), 90, dtype=np.uint8)
    pixels[20:26, 30:36] = (250, 10, 10)
    Image.fromarray(pixels).save(folder / "a.png")
    record = picture((0, 30, 20, 6, 6), (1, 150, 100, 20, 20))
    record = replace(record, path=folder / "a.png", width=300, height=200)
    detections = found((0.9, 1, 158, 100, 20, 20), (0.8, 0, 280, 180, 10, 10))
    return compare(index(record), [detections], conf=0.5, max_detections=100)


def parts_of(html: str) -> list[Any]:
    """What the errors are, and their crops."""
    pattern = r'<script type="application/json">(.*?)</script>'
    return [json.loads(one) for one in re.findall(pattern, html, re.DOTALL)]


def data_of(html: str) -> dict[str, Any]:
    return parts_of(html)[0]


def test_a_crop_shows_what_it_is_about(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    data = data_of(gallery(comparison, find_errors(comparison)))
    by_kind = {data["kinds"][one["kind"]]: one for one in data["errors"]}
    assert set(by_kind) == {"missed", "loose box", "false alarm"}
    missed = by_kind["missed"]
    assert missed["side"] == 6 and (missed["width"], missed["height"]) == (40, 40)
    ((role, x, y, w, h),) = missed["boxes"]
    assert ROLES[int(role)] == "truth" and (w, h) == (6, 6)
    assert (missed["at"][0] + x, missed["at"][1] + y) == (30, 20)
    loose = [ROLES[int(box[0])] for box in by_kind["loose box"]["boxes"]]
    assert loose == ["truth", "found"]
    assert sum(count for *_, count in data["counts"]) == 3
    coded = parts_of(gallery(comparison, find_errors(comparison)))[1]
    crop = Image.open(io.BytesIO(base64.b64decode(coded[data["errors"].index(missed)])))
    red = np.asarray(crop)[int(y) + 3, int(x) + 3]
    assert crop.size == (40, 40) and red[0] > 200 and red[1] < 80


def test_names_of_classes_and_files_cannot_break_out(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    evil = replace(comparison, index=replace(comparison.index, class_names=("</script><b>", "b")))
    html = gallery(evil, find_errors(evil))
    assert "</script><b>" not in html and data_of(html)["labels"][0] == "</script><b>"


def test_a_picture_that_is_gone_leaves_its_figures(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    (tmp_path / "a.png").unlink()
    data, crops = parts_of(gallery(comparison, find_errors(comparison)))
    assert crops == [None] * 3 and len(data["errors"]) == 3
