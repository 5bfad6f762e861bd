"""The gallery of errors: the worst of each kind, class and size, cut out of their pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smalldet.columns import take
from smalldet.evaluation.comparison import Comparison
from smalldet.evaluation.errors import ERROR_KINDS, MISSED, Errors
from smalldet.evaluation.rows import Rows
from smalldet.evaluation.size_ranges import span_text
from smalldet.reporting.assets import as_data, script, style
from smalldet.reporting.crops import square_round
from smalldet.reporting.cuts import cut
from smalldet.reporting.page import escaped

MOST_CROPS = 1000
CROPS_TOGETHER = 50
"""In one part of the page, which is read when the first of them is shown."""
CONTEXT = 5.0
LEAST_PX = 40
OUTSIDE_PX = 9
"""How far a box that leaves its crop is drawn past it."""
KIND_WORDS = {
    "classification": "wrong class",
    "localisation": "loose box",
    "both": "wrong class, loose box",
    "duplicate": "double",
    "background": "false alarm",
    "missed": "missed",
}
LEGEND = (
    '<span class="legend"><i class="truth"></i>labelled <i class="found"></i>found wrongly '
    '<i class="found other"></i>found too</span>'
)
ROLES = ("truth other", "found other", "truth", "found")
"""Classes of the boxes that are drawn, later ones on top."""


def sides_of(comparison: Comparison, errors: Errors) -> NDArray[np.float64]:
    """(N,) side of the object that each error is about; on background, of the box.

    In the unit of the comparison's sizes.
    """
    found = np.flatnonzero(errors.detections >= 0)
    about = np.flatnonzero(errors.objects >= 0)
    areas = np.zeros(len(errors))
    areas[found] = comparison.detection_areas[errors.detections[found]]
    areas[about] = comparison.object_areas[errors.objects[about]]
    return np.sqrt(areas)


def sizes_of(comparison: Comparison, sides: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) position of the size range of each side; the number of ranges where none holds it."""
    which = np.full(len(sides), len(comparison.sizes), dtype=np.int64)
    for place, (low, high) in enumerate(comparison.sizes.values()):
        which[(sides >= low) & (sides < high)] = place
    return which


def worst_first(
    errors: Errors,
    sides: NDArray[np.float64],
    sizes: NDArray[np.int64],
    most: int = MOST_CROPS,
) -> NDArray[np.int64]:
    """Rows of the errors to show: the worst of each kind, class and size in turn.

    The surest false alarms are the worst, and the largest missed objects.

    Returns:
        (at most `most`,) rows, worst first.
    """
    badness = np.where(errors.kinds == MISSED, sides, errors.scores)
    cells = np.stack([errors.kinds.astype(np.int64), errors.labels, sizes])
    order = np.lexsort((-badness, *cells))
    ordered = cells[:, order]
    new_cell = np.ones(len(order), dtype=np.bool_)
    new_cell[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    start = np.maximum.accumulate(np.where(new_cell, np.arange(len(order)), 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - start
    return np.lexsort((-badness, rank))[:most]


def gallery(comparison: Comparison, errors: Errors) -> str:
    """The gallery as HTML; `gallery.js` fills it."""
    sides = sides_of(comparison, errors)
    sizes = sizes_of(comparison, sides)
    rows = worst_first(errors, sides, sizes)
    kept = take(errors, rows)
    windows = _windows(comparison, kept)
    paths = [record.path for record in comparison.index.records]
    images = cut(paths, kept.pictures, windows)
    drawn = _Drawn(comparison)
    entries = [
        {
            "kind": int(kept.kinds[i]),
            "label": int(kept.labels[i]),
            "is": _label_of(comparison, kept, i),
            "size": int(sizes[row]),
            "side": round(float(sides[row]), 1),
            "score": round(float(kept.scores[i]), 3),
            "picture": int(kept.pictures[i]),
            "at": windows[i, :2].tolist(),
            "width": int(windows[i, 2] - windows[i, 0]),
            "height": int(windows[i, 3] - windows[i, 1]),
            "boxes": drawn.boxes(kept, i, windows[i]),
        }
        for i, row in enumerate(rows.tolist())
    ]
    unit = comparison.size_unit
    names = [
        f"{name.replace('_', ' ')}, {span_text(*of)} {unit}"
        for name, of in comparison.sizes.items()
    ]
    data = {
        "kinds": [KIND_WORDS[kind] for kind in ERROR_KINDS],
        "labels": list(comparison.index.class_names),
        "sizes": [*names, "other sizes"] if (sizes == len(names)).any() else names,
        "pictures": [path.name.encode("utf-8", "backslashreplace").decode() for path in paths],
        "roles": ROLES,
        "unit": unit,
        "counts": _counts(errors, sizes),
        "errors": entries,
        "together": CROPS_TOGETHER,
    }
    parts = [images[i : i + CROPS_TOGETHER] for i in range(0, len(images), CROPS_TOGETHER)]
    held = "".join(map(as_data, [data, *parts]))
    return style("gallery.css") + _frame(held) + script("gallery.js")


def _label_of(comparison: Comparison, errors: Errors, row: int) -> int:
    """The class of the object that an error is about; -1 on background."""
    about = int(errors.objects[row])
    return int(comparison.objects.labels[about]) if about >= 0 else -1


def _counts(errors: Errors, sizes: NDArray[np.int64]) -> list[list[int]]:
    """[kind, class, size, how many] of all errors, shown or not."""
    cells = np.stack([errors.kinds.astype(np.int64), errors.labels, sizes], axis=1)
    distinct, counts = np.unique(cells, axis=0, return_counts=True)
    return np.column_stack([distinct, counts]).tolist()


def _windows(comparison: Comparison, errors: Errors) -> NDArray[np.int64]:
    """(N, 4) xyxy round each error and the object that it is about."""
    windows = np.zeros((len(errors), 4), dtype=np.int64)
    records = comparison.index.records
    for i, (picture, about) in enumerate(
        zip(errors.pictures.tolist(), errors.objects.tolist(), strict=True)
    ):
        shown = [errors.boxes[i]] + ([comparison.objects.boxes[about]] if about >= 0 else [])
        size = records[picture].width, records[picture].height
        windows[i] = np.concatenate(square_round(np.stack(shown), size, CONTEXT, LEAST_PX))
    return windows


class _Drawn:
    """Boxes to draw over crops: the error's own, and what else lies there."""

    def __init__(self, comparison: Comparison) -> None:
        self.objects = comparison.objects
        self.truth = _ByPicture(comparison.objects, ~comparison.objects.ignore)
        found = comparison.detections
        self.found = _ByPicture(found, found.is_at_least(comparison.conf))

    def boxes(self, errors: Errors, row: int, window: NDArray[np.int64]) -> list[list[float]]:
        """[role, x, y, width, height] in pixels of the window."""
        picture, about = int(errors.pictures[row]), int(errors.objects[row])
        parts = [
            (ROLES.index("truth other"), self.truth.within(picture, window, about)),
            (
                ROLES.index("found other"),
                self.found.within(picture, window, int(errors.detections[row])),
            ),
        ]
        if about >= 0:
            parts.append((ROLES.index("truth"), self.objects.boxes[[about]]))
        if errors.detections[row] >= 0:
            parts.append((ROLES.index("found"), errors.boxes[[row]]))
        roles = np.repeat([role for role, _ in parts], [len(boxes) for _, boxes in parts])
        placed = np.concatenate([boxes for _, boxes in parts]) - np.tile(window[:2], 2)
        limit = np.tile(window[2:] - window[:2], 2)
        placed = np.clip(placed, -OUTSIDE_PX, limit + OUTSIDE_PX)
        placed[:, 2:] -= placed[:, :2]
        return np.column_stack([roles, placed.round(1)]).tolist()


class _ByPicture:
    """Some of many rows, found by their picture."""

    def __init__(self, rows: Rows, counted: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(counted)
        order = places[np.argsort(rows.pictures[places], kind="stable")]
        self.places, self.pictures, self.boxes = order, rows.pictures[order], rows.boxes[order]

    def within(self, picture: int, window: NDArray[np.int64], but: int) -> NDArray[np.float64]:
        """(M, 4) boxes that reach into a window, without the row `but`."""
        first, last = np.searchsorted(self.pictures, [picture, picture + 1])
        boxes, places = self.boxes[first:last], self.places[first:last]
        inside = (boxes[:, :2] < window[2:]).all(axis=1) & (boxes[:, 2:] > window[:2]).all(axis=1)
        return boxes[inside & (places != but)]


def _frame(data: str) -> str:
    selects = "".join(
        f'<label>{escaped(word)} <select name="{name}"></select></label>'
        for name, word in (("kind", "error"), ("label", "class"), ("size", "size"))
    )
    return (
        f'<div class="gallery">{data}<div class="filters">{selects}{LEGEND}</div>'
        '<p class="told soft" role="status"></p><div class="cards"></div>'
        '<button class="more" type="button" hidden>more</button>'
        '<dialog aria-label="one error"><button type="button" class="close" aria-label="close">'
        '&times;</button><div class="stage"></div></dialog></div>'
    )
