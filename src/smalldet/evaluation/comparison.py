"""Truth and detections side by side: what every metric is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from smalldet.data.index import Index
from smalldet.detections import Detections
from smalldet.evaluation.assignment import Preferences
from smalldet.evaluation.candidates import Candidates, SizedPairs, by_iou, by_oriented_iou
from smalldet.evaluation.classes import match_classes
from smalldet.evaluation.coco_curves import Curves, curves_of
from smalldet.evaluation.errors import errors_of
from smalldet.evaluation.mask_codes import have_masks
from smalldet.evaluation.match_distance import read_distance
from smalldet.evaluation.matching import Matches, match_boxes
from smalldet.evaluation.rows import Rows, areas_in, coco_pair, detection_rows, ranks_in, truth_rows
from smalldet.evaluation.size_ranges import SIZE_RANGES_PX, SizeRanges, SizeUnit
from smalldet.evaluation.sizes import ALL_AREAS, COCO_AREA_RANGES, closed_area_range
from smalldet.evaluation.tide import ap_costs


@dataclass(frozen=True, eq=False)
class Comparison:
    """Objects and detections of the same pictures, over the same classes.

    What takes long is computed when it is first asked for, and once.

    Args:
        index: the pictures, with the common classes.
        objects: of all pictures, with ignore regions.
        detections: of all pictures.
        conf: score from which a detection counts where only one score is looked at.
        max_detections: the strongest of a picture that count.
        sizes: size ranges.
        left_out: classes of the `model` and of the `data` that the other side lacks.
        units_per_px: (num pictures,) metres a pixel where sizes are in metres, None where they are
            in pixels.
        cut_off: weaker detections of pictures that have more than `max_detections`.
        reach_px: (num pictures,) within which a detection's centre is on an object's, None where
            no distance is asked for.
    """

    index: Index
    objects: Rows
    detections: Rows
    conf: float
    max_detections: int
    sizes: SizeRanges
    left_out: dict[str, tuple[str, ...]]
    units_per_px: NDArray[np.float64] | None = None
    cut_off: Rows | None = None
    reach_px: NDArray[np.float64] | None = None

    @property
    def size_unit(self) -> SizeUnit:
        """Of `sizes`, `object_areas` and `detection_areas`."""
        return "px" if self.units_per_px is None else "m"

    @cached_property
    def object_areas(self) -> NDArray[np.float64]:
        """(len(objects),) areas that tell the size range, in the unit of `sizes`, squared."""
        return areas_in(self.objects, self.units_per_px)

    @cached_property
    def detection_areas(self) -> NDArray[np.float64]:
        """(len(detections),) the same of detections."""
        return areas_in(self.detections, self.units_per_px)

    @cached_property
    def curves(self) -> Curves:
        """Precision and recall over all scores."""
        ours = self._our_ranges
        of_coco = {f"COCO_{name}": areas for name, areas in COCO_AREA_RANGES.items()}
        if self.units_per_px is None:
            return self._curves(ours | of_coco)
        parts = self._curves(ours, self.units_per_px), self._curves(of_coco)
        return Curves(
            np.concatenate([part.precision for part in parts], axis=3),
            np.concatenate([part.recall for part in parts], axis=2),
        )

    @property
    def has_masks(self) -> bool:
        """Whether labels and detections have masks."""
        return self.objects.masks is not None

    @cached_property
    def mask_curves(self) -> Curves:
        """The same of masks, over all sizes and ours."""
        return self._curves(self._our_ranges, self.units_per_px, by_masks=True)

    @property
    def _our_ranges(self) -> dict[str, tuple[float, float]]:
        ours = {name: closed_area_range(*sides) for name, sides in self.sizes.items()}
        return {"all": ALL_AREAS} | ours

    def _curves(
        self,
        ranges: Mapping[str, tuple[float, float]],
        units_per_px: NDArray[np.float64] | None = None,
        *,
        by_masks: bool = False,
    ) -> Curves:
        pair = coco_pair(self.index, self.objects, self.detections, units_per_px, by_masks=by_masks)
        return curves_of(pair, "segm" if by_masks else "bbox", ranges, self.max_detections)

    @cached_property
    def pairs(self) -> Candidates:
        """Detections and objects that overlap by an IoU of 0.5."""
        return by_iou(self.objects, self.detections)

    @property
    def by_boxes(self) -> SizedPairs:
        """Detections on objects by their boxes."""
        return SizedPairs(self.pairs, self.object_areas, self.detection_areas)

    @property
    def is_oriented(self) -> bool:
        """Whether labels and detections both have oriented boxes."""
        return self.objects.rboxes is not None and self.detections.rboxes is not None

    @cached_property
    def by_rboxes(self) -> SizedPairs:
        """Detections on objects by their oriented boxes, whose own areas tell sizes.

        Raises:
            ValueError: one side has none.
        """
        areas = [
            areas_in(rows, self.units_per_px, oriented=True)
            for rows in (self.objects, self.detections)
        ]
        return SizedPairs(by_oriented_iou(self.objects, self.detections), *areas)

    @cached_property
    def preferences(self) -> Preferences:
        """Of the pairs, over all sizes."""
        ignored = self.objects.ignore
        return Preferences.of(self.pairs, ignored, ignored, len(self.detections))

    @cached_property
    def num_objects(self) -> NDArray[np.int64]:
        """(num classes,) objects that count."""
        labels = self.objects.labels[~self.objects.ignore]
        return np.bincount(labels, minlength=len(self.index.class_names))

    @cached_property
    def at_conf(self) -> Matches:
        """Hits, misses and false alarms of the detections from `conf` on."""
        return match_boxes(self.index, self.objects, self.detections.at_least(self.conf))

    @cached_property
    def at_any_score(self) -> Matches:
        """Hits, misses and false alarms of all detections."""
        return match_boxes(self.index, self.objects, self.detections)

    @cached_property
    def ap_costs(self) -> NDArray[np.float64]:
        """What each kind of mistake costs, by class, over all sizes and by ours; see `tide`."""
        ranges = [(0.0, math.inf), *((low**2, high**2) for low, high in self.sizes.values())]
        matches, num_classes = self.at_any_score, len(self.index.class_names)
        areas = self.object_areas, self.detection_areas
        return ap_costs(matches, errors_of(matches), num_classes, *areas, ranges)

    @cached_property
    def megapixels(self) -> NDArray[np.float64]:
        """(num pictures,) area of each."""
        return np.array(
            [record.width * record.height / 1e6 for record in self.index.records], dtype=np.float64
        )


def compare(
    truth: Index,
    detections: Sequence[Detections],
    *,
    conf: float,
    max_detections: int,
    mapping: Mapping[str, str] | None = None,
    sizes: SizeRanges = SIZE_RANGES_PX,
    size_unit: SizeUnit = "px",
    match_distance: str | None = None,
) -> Comparison:
    """Bring labelled pictures and a model's detections together; arguments as in `score`.

    Raises:
        ValueError: not one Detections for each record, detections of several models, no class
            in common, or sizes in metres of a picture without `gsd_m`.
    """
    if len(detections) != len(truth):
        raise ValueError(f"{len(truth)} pictures need as many detections, not {len(detections)}")
    class_names = detections[0].class_names if detections else truth.class_names
    if any(of_picture.class_names != class_names for of_picture in detections):
        raise ValueError("all detections must be over the same class names, in the same order")
    match = match_classes(truth, class_names, mapping)
    found = [match.relabel(of_picture) for of_picture in detections]
    with_masks = have_masks(match.truth.records, found)
    rows = detection_rows(found, masks_in=match.truth if with_masks else None)
    counted = ranks_in(rows.pictures) < max_detections
    left_out = {"model": match.left_out_of_model, "data": match.left_out_of_data}
    objects = truth_rows(match.truth, with_masks)
    units_per_px = _metres_per_px(match.truth) if size_unit == "m" else None
    reach_px = None if match_distance is None else _reach_px(match.truth, match_distance)
    return Comparison(
        match.truth,
        objects,
        rows[counted],
        conf,
        max_detections,
        sizes,
        left_out,
        units_per_px,
        cut_off=rows[~counted],
        reach_px=reach_px,
    )


def _reach_px(truth: Index, match_distance: str) -> NDArray[np.float64]:
    distance, unit = read_distance(match_distance)
    px_per_unit = 1 / _metres_per_px(truth) if unit == "m" else np.ones(len(truth))
    return distance * px_per_unit


def _metres_per_px(truth: Index) -> NDArray[np.float64]:
    for record in truth.records:
        if record.gsd_m is None:
            raise ValueError(
                f"{record.path}: its ground sample distance is not known, so that metres cannot be "
                "told; give it (`gsd_m`), or ask in pixels"
            )
    return np.array([record.gsd_m for record in truth.records], dtype=np.float64)
