"""Average precision by size, and false alarms for the area that was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from hotcoco import COCOeval
from numpy.typing import NDArray

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.matching import Matches, best_threshold, match_boxes
from smalldet.evaluation.report import Report
from smalldet.evaluation.rows import Rows, coco_pair, detection_rows, truth_rows
from smalldet.evaluation.sizes import (
    ALL_AREAS,
    COCO_AREA_RANGES,
    SIZE_RANGES_PX,
    closed_area_range,
    counts_by_size,
)

_IOU_50, _IOU_75 = 0, 5  # places of IoU 0.5 and 0.75 in COCO's 0.5:0.05:0.95
_COCO_CAPS = (1, 10, 100)  # detections a class and picture


def score(
    truth: Index,
    detections: Sequence[Detections],
    *,
    conf: float = 0.25,
    max_detections: int = 1500,
    mapping: Mapping[str, str] | None = None,
) -> Report:
    """Measure detections against truth.

    Average precision is COCO's: 101 points of recall, IoU 0.5:0.05:0.95, mean over the classes
    that have objects; a detection outside of a size range counts there only where it meets an
    object of the range. An ignore region of a class takes any number of detections with half of
    their area in it; a class that is `unknown` in a picture is ignored all over it. Objects marked
    difficult are objects like others.

    Args:
        truth: labelled pictures.
        detections: one for each record of `truth`, in its order, scene pixels; for an honest
            average precision they reach down to a low score.
        conf: score from which precision, recall and false alarms are counted, at IoU 0.5.
        max_detections: the strongest of a picture that count.
        mapping: {model class: data class}; see `match_classes`.

    Raises:
        ValueError: not one Detections for each record, detections of several models, or no class
            in common.
    """
    index, found, left_out = _comparable(truth, detections, max_detections, mapping)
    objects = truth_rows(index)
    precision, recall = _precision_recall(index, objects, found, max_detections)
    everything = np.arange(len(index.class_names))
    matches = match_boxes(index, objects, found.at_least(conf))
    best_f1, best_conf = best_threshold(match_boxes(index, objects, found))
    return Report(
        metrics={
            **_by_size(precision, recall, everything),
            **_coco(precision, recall),
            **_at_conf(index, matches, everything),
            "best_F1": best_f1,
            "best_conf": best_conf,
        },
        counts=counts_by_size(objects.areas[~objects.ignore]),
        per_class={
            name: {
                **_by_size(precision, recall, np.array([k])),
                **_at_conf(index, matches, np.array([k])),
                "counts": counts_by_size(objects.areas[~objects.ignore & (objects.labels == k)]),
            }
            for k, name in enumerate(index.class_names)
        },
        left_out=left_out,
        unjudged=_unjudged(index, detections, left_out["model"], conf),
        conf=conf,
        max_detections=max_detections,
        num_pictures=len(index),
        megapixels=float(_megapixels(index).sum()),
    )


def matches_at(
    truth: Index,
    detections: Sequence[Detections],
    conf: float,
    *,
    max_detections: int = 1500,
    mapping: Mapping[str, str] | None = None,
) -> tuple[Index, Matches]:
    """What `score` counts at `conf`, box by box, and the Index that the labels point into."""
    index, found, _ = _comparable(truth, detections, max_detections, mapping)
    return index, match_boxes(index, truth_rows(index), found.at_least(conf))


def _comparable(
    truth: Index,
    detections: Sequence[Detections],
    max_detections: int,
    mapping: Mapping[str, str] | None,
) -> tuple[Index, Rows, dict[str, tuple[str, ...]]]:
    """Truth and detections over the same classes, and the classes left out of each side."""
    if len(detections) != len(truth):
        raise ValueError(f"{len(truth)} pictures need as many detections, not {len(detections)}")
    class_names = detections[0].class_names if detections else truth.class_names
    if any(found.class_names != class_names for found in detections):
        raise ValueError("all detections must be over the same class names, in the same order")
    match = match_classes(truth, class_names, mapping)
    found = detection_rows([match.relabel(d) for d in detections], max_detections)
    left_out = {"model": match.left_out_of_model, "data": match.left_out_of_data}
    return match.truth, found, left_out


def _unjudged(
    index: Index, detections: Sequence[Detections], names: Sequence[str], conf: float
) -> dict[str, float]:
    """Detections a megapixel of the model's classes that the data does not label."""
    area = sum(record.width * record.height for record in index.records) / 1e6
    if not detections or not area:
        return {}
    labels = np.concatenate([d.labels[d.scores >= conf].cpu().numpy() for d in detections])
    counts = np.bincount(labels, minlength=len(detections[0].class_names))
    return {
        name: float(count) / area
        for name, count in zip(detections[0].class_names, counts.tolist(), strict=True)
        if name in names
    }


def _precision_recall(
    index: Index, truth: Rows, found: Rows, max_detections: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(IoU, recall point, class, area range, cap) and the same without recall point; -1: nothing.

    Area ranges: all, ours by size, COCO's. Caps: COCO's three, and one that cuts nothing.
    """
    ranges = {"all": ALL_AREAS}
    ranges |= {name: closed_area_range(*sides) for name, sides in SIZE_RANGES_PX.items()}
    ranges |= {f"COCO_{name}": areas for name, areas in COCO_AREA_RANGES.items()}
    evaluation = COCOeval(*coco_pair(index, truth, found), "bbox")
    evaluation.params.area_rng = [list(areas) for areas in ranges.values()]
    evaluation.params.area_rng_lbl = list(ranges)
    evaluation.params.max_dets = [*_COCO_CAPS, max(max_detections, _COCO_CAPS[-1] + 1)]
    evaluation.evaluate()
    evaluation.accumulate()
    curves = evaluation.eval
    assert curves is not None
    return curves["precision"], curves["recall"]


def _by_size(
    precision: NDArray[np.float64], recall: NDArray[np.float64], classes: NDArray[np.int64]
) -> dict[str, float | None]:
    """AP and AR of some classes over all sizes and by our ranges, with no cap but the picture's."""
    precision, recall = precision[..., -1][:, :, classes], recall[..., -1][:, classes]
    metrics = {
        "AP": _mean(precision[..., 0]),
        "AP50": _mean(precision[_IOU_50, ..., 0]),
        "AP75": _mean(precision[_IOU_75, ..., 0]),
        "AR": _mean(recall[..., 0]),
    }
    for a, size in enumerate(SIZE_RANGES_PX, start=1):
        metrics[f"AP_{size}"] = _mean(precision[..., a])
        metrics[f"AP50_{size}"] = _mean(precision[_IOU_50, ..., a])
        metrics[f"AR_{size}"] = _mean(recall[..., a])
    return metrics


def _coco(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> dict[str, float | None]:
    """COCO's own numbers: at most 100 detections a class and picture, COCO's ranges."""
    cap = _COCO_CAPS.index(100)
    metrics = {
        "COCO_AP": _mean(precision[..., 0, cap]),
        "COCO_AP50": _mean(precision[_IOU_50, ..., 0, cap]),
        "COCO_AP75": _mean(precision[_IOU_75, ..., 0, cap]),
    }
    for i, most in enumerate(_COCO_CAPS):
        metrics[f"COCO_AR_{most}"] = _mean(recall[..., 0, i])
    for a, size in enumerate(COCO_AREA_RANGES, start=1 + len(SIZE_RANGES_PX)):
        metrics[f"COCO_AP_{size}"] = _mean(precision[..., a, cap])
        metrics[f"COCO_AR_{size}"] = _mean(recall[..., a, cap])
    return metrics


def _at_conf(index: Index, matches: Matches, classes: NDArray[np.int64]) -> dict[str, float | None]:
    """Precision, recall and false alarms of some classes.

    False alarms are for the area of the pictures in which any of the classes is known.
    """
    truth_in = np.isin(matches.truth.labels, classes) & ~matches.truth.ignore
    found_in = np.isin(matches.detections.labels, classes)
    hits = int((matches.hit & found_in).sum())
    false_alarms = int((matches.false_alarm & found_in).sum())
    searched = [not r.unknown.issuperset(classes.tolist()) for r in index.records]
    megapixels = float(_megapixels(index)[np.array(searched, dtype=np.bool_)].sum())
    return {
        "precision": _ratio(hits, hits + false_alarms),
        "recall": _ratio(int((matches.reached & truth_in).sum()), int(truth_in.sum())),
        "false_alarms": false_alarms,
        "false_alarms_per_megapixel": _ratio(false_alarms, megapixels),
    }


def _megapixels(index: Index) -> NDArray[np.float64]:
    return np.array([r.width * r.height / 1e6 for r in index.records], dtype=np.float64)


def _mean(values: NDArray[np.float64]) -> float | None:
    """Mean over what was measured, or None: COCO evaluation writes -1 where there is no object."""
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
