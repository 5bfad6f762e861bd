"""CVAT for images 1.1, to be uploaded as the annotations of a task with the same pictures.

Layout: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from smalldet.geometry.masks import pixels_of
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result, names_from_shared_folder
from smalldet.inference.writers.tables import rounded

SHAPE = """    <{tag} label={label} source="auto" occluded="0" {place} z_order="0">
      <attribute name="score">{score}</attribute>
    </{tag}>
"""
BOX = 'xtl="{}" ytl="{}" xbr="{}" ybr="{}"'
MASK = 'rle="{}" left="{}" top="{}" width="{}" height="{}"'


def write_cvat(path: Path, results: Sequence[Result], maps: MapOptions) -> None:
    """All pictures with their shapes: boxes, turned ones, or masks; `maps` has no meaning in it.

    Pictures are named from the folder that they share. Scores are the attribute `score`, which CVAT
    keeps where a label of the task has it.

    Raises:
        ValueError: a name has a character that cannot stand in XML.
    """
    class_names = results[0].detections.class_names
    names = names_from_shared_folder(results)
    _refuse_controls(path, [*class_names, *names])
    labels = "".join(f"<label><name>{escape(name)}</name></label>" for name in class_names)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write("  <version>1.1</version>\n")
        file.write(f"  <meta><task><labels>{labels}</labels></task></meta>\n")
        for number, (result, name) in enumerate(zip(results, names, strict=True)):
            size = f'width="{result.width}" height="{result.height}"'
            file.write(f'  <image id="{number}" name={quoteattr(name)} {size}>\n')
            file.writelines(_shapes(result))
            file.write("  </image>\n")
        file.write("</annotations>\n")


def _shapes(result: Result) -> Iterator[str]:
    found = result.detections
    scores = rounded(found.scores.numpy(), 5).tolist()
    places = _boxes(result) if found.masks is None else _masks(result)
    tag = "box" if found.masks is None else "mask"
    for name, score, place in zip(found.named(), scores, places, strict=True):
        if place:
            yield SHAPE.format(tag=tag, label=quoteattr(name), place=place, score=score)


def _boxes(result: Result) -> Iterator[str]:
    found = result.detections
    if found.rboxes is None:
        yield from (BOX.format(*row) for row in rounded(found.boxes.numpy(), 3).tolist())
        return
    centres, sides = found.rboxes[:, :2].double().numpy(), found.rboxes[:, 2:4].double().numpy()
    corners = rounded(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1), 3)
    degrees = rounded(np.degrees(found.rboxes[:, 4].double().numpy()) % 360, 4)
    for row, angle in zip(corners.tolist(), degrees.tolist(), strict=True):
        yield f'{BOX.format(*row)} rotation="{angle}"'


def _masks(result: Result) -> Iterator[str]:
    """Runs of 0 and 1 by turns along the rows of the mask's box, zeros first; "" for none."""
    found = result.detections
    assert found.masks is not None
    for mask, box in zip(found.masks, found.boxes, strict=True):
        x, y, pixels = pixels_of(mask, box)
        left, top = max(-x, 0), max(-y, 0)
        inside = pixels[top : max(result.height - y, 0), left : max(result.width - x, 0)].numpy()
        height, width = inside.shape
        flat = np.concatenate([[False], inside.ravel(), [not inside.ravel()[-1:].any()]])
        runs = np.diff(np.flatnonzero(np.diff(flat)), prepend=0).tolist()
        rle = ", ".join(map(str, runs))
        yield MASK.format(rle, x + left, y + top, width, height) if inside.any() else ""


def _refuse_controls(path: Path, names: Sequence[str]) -> None:
    wrong = [name for name in names if any(ord(ch) < 32 for ch in name)]
    if wrong:
        raise ValueError(f"{path}: {wrong[0]!r} cannot stand in XML; rename it")
