"""Results as DOTA's devkit and server take them: a text for each class.

Layout: https://captain-whu.github.io/DOTA/tasks.html, `Submission Format`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smalldet.atomic_write import write_text
from smalldet.data.formats.number_text import whole_or_shortest
from smalldet.inference.options import MapOptions
from smalldet.inference.results import Result, names_from_shared_folder
from smalldet.inference.writers.placing import quads
from smalldet.inference.writers.tables import rounded

logger = logging.getLogger(__name__)

DIGITS = 4
"""Of pixels: with fewer, the angle of a box of 4 px moves."""


def write_dota_results(folder: Path, results: Sequence[Result], maps: MapOptions) -> list[Path]:
    """`Task1_CLASS.txt` for each class: picture, score, x1 y1 x2 y2 x3 y3 x4 y4 in pixels.

    Of detections without oriented boxes `Task2_CLASS.txt`: picture, score, x1 y1 x2 y2. A class of
    which nothing was found has an empty file. Pictures are named without the ending, and by their
    folders too where several would be called the same. Space in a class is `-`, as in DOTA. `maps`
    has no meaning in it.

    Returns:
        the files, in the order of the classes.

    Raises:
        ValueError: a class cannot be the name of a file, two differ in space or case alone, or the
            folder has such files of other classes.
    """
    class_names = results[0].detections.class_names
    task = 1 if any(result.detections.rboxes is not None for result in results) else 2
    files = [folder / f"Task{task}_{'-'.join(name.split())}.txt" for name in class_names]
    _refuse_names(folder, class_names, files)
    lines: list[list[str]] = [[] for _ in files]
    for result, name in zip(results, _picture_names(results), strict=True):
        for label, line in zip(
            result.detections.labels.tolist(), _lines(result, name, task), strict=True
        ):
            lines[label].append(line)
    for file, of_class in zip(files, lines, strict=True):
        write_text(file, "".join(of_class))
    return files


def _lines(result: Result, name: str, task: int) -> list[str]:
    found = result.detections
    places = quads(result).reshape(-1, 8) if task == 1 else found.boxes.double().numpy()
    [scores] = whole_or_shortest(found.scores.numpy()[None]) if len(found) else [[]]
    return [
        f"{name} {score} {' '.join(map(str, row))}\n"
        for score, row in zip(scores, rounded(places, DIGITS).tolist(), strict=True)
    ]


def _picture_names(results: Sequence[Result]) -> list[str]:
    """Stems; paths from the shared folder where two have one stem, whole where that is not all."""
    paths = [Path(name) for name in names_from_shared_folder(results)]
    names = [path.stem for path in paths]
    for longer in ([path.with_suffix("").as_posix() for path in paths], list(map(str, paths))):
        _, place, times = np.unique(names, return_inverse=True, return_counts=True)
        shared = (times[place] > 1).tolist()
        names = [
            new if twice else old for old, new, twice in zip(names, longer, shared, strict=True)
        ]
    spaced = [name for name in names if len(name.split()) > 1]
    if spaced:
        logger.warning(
            "%d pictures have space in their names, which DOTA's devkit parts: %s",
            len(spaced),
            spaced[0],
        )
    return names


def _refuse_names(folder: Path, class_names: Sequence[str], files: Sequence[Path]) -> None:
    wrong = [name for name in class_names if not name.strip() or set(name) & set("/\\:\0")]
    if wrong:
        raise ValueError(f"{folder}: class {wrong[0]!r} cannot stand in the name of a file")
    if len({file.name.casefold() for file in files}) < len(files):
        raise ValueError(f"{folder}: classes {list(class_names)} differ in space or case alone")
    others = sorted(set(folder.glob("Task[12]_*.txt")) - set(files))
    if others:
        raise ValueError(f"{others[0]}: is there already, of other results; name an empty folder")
