"""Average precision by size, and false alarms for the area that was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.caps import find_caps
from smalldet.evaluation.comparison import Comparison, compare
from smalldet.evaluation.details import measure_details
from smalldet.evaluation.intervals import bootstrap_ap
from smalldet.evaluation.matching import Matches
from smalldet.evaluation.metrics import measure_all, measure_class, measure_classes
from smalldet.evaluation.remarks import remarks_on
from smalldet.evaluation.report import Report
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges, SizeUnit
from smalldet.evaluation.sizes import counts_by_size
from smalldet.evaluation.tile_views import TileViews


def score(
    truth: Index,
    detections: Sequence[Detections],
    *,
    conf: float = 0.25,
    max_detections: int = 1500,
    mapping: Mapping[str, str] | None = None,
    sizes: SizeRanges = SIZE_RANGES_PX,
    size_unit: SizeUnit = "px",
    num_resamples: int = 0,
    match_distance: str | None = None,
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
        sizes: size ranges to measure by.
        size_unit: of `sizes`: px, or m where every record has `gsd_m`.
        num_resamples: how often pictures are drawn anew for the 95 % intervals; none if 0.
        match_distance: within which a detection's centre is on an object's, for point labels: `5`
            in pixels, `3m` in metres; not measured if None.

    Raises:
        ValueError: not one Detections for each record, detections of several models, no class
            in common, or sizes in metres of a picture without `gsd_m`.
    """
    comparison = compare(
        truth,
        detections,
        conf=conf,
        max_detections=max_detections,
        mapping=mapping,
        sizes=sizes,
        size_unit=size_unit,
        match_distance=match_distance,
    )
    return report_of(comparison, detections, num_resamples)


def report_of(
    comparison: Comparison,
    detections: Sequence[Detections],
    num_resamples: int = 0,
    views: TileViews | None = None,
) -> Report:
    """Every metric of a comparison, over all classes and by class.

    Args:
        comparison: what `score` measures.
        detections: that it was made of, with the classes that the data does not label.
        num_resamples: how often pictures are drawn anew for the 95 % intervals; none if 0.
        views: what the single tiles showed, where they are known.
    """
    caps = find_caps(comparison, views)
    drawn = bootstrap_ap(comparison, num_resamples) if num_resamples and len(detections) else None
    index, objects, sizes = comparison.index, comparison.objects, comparison.sizes
    areas = comparison.object_areas
    over_classes, of_class = measure_classes(comparison)
    return Report(
        metrics=measure_all(comparison) | over_classes,
        counts=counts_by_size(areas[~objects.ignore], sizes),
        per_class={
            name: {
                **measure_class(comparison, k),
                **of_class[k],
                "counts": counts_by_size(areas[~objects.ignore & (objects.labels == k)], sizes),
            }
            for k, name in enumerate(index.class_names)
        },
        left_out=comparison.left_out,
        unjudged=_unjudged(index, detections, comparison.left_out["model"], comparison.conf),
        conf=comparison.conf,
        max_detections=comparison.max_detections,
        num_pictures=len(index),
        megapixels=float(comparison.megapixels.sum()),
        sizes=sizes,
        details=measure_details(comparison, caps, views),
        warnings=[*remarks_on(comparison), *(line for cap in caps for line in cap.told)],
        size_unit=comparison.size_unit,
        intervals=drawn.intervals() if drawn else {},
        drawn=f"{drawn.num_drawn} {drawn.unit}" if drawn else "",
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
    comparison = compare(
        truth, detections, conf=conf, max_detections=max_detections, mapping=mapping
    )
    return comparison.index, comparison.at_conf


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
