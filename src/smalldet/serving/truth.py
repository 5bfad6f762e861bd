"""Truth: labels of pictures in the data folder, and what they make of detections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalldet.class_names import class_key
from smalldet.data.formats.read_labels import read_labels
from smalldet.data.index import ImageRecord, Index
from smalldet.detections import Detections
from smalldet.evaluation.matching import match_boxes
from smalldet.evaluation.rows import detection_rows, truth_rows

NOT_JUDGED, HIT, FALSE_ALARM = 0, 1, 2
"""What the truth makes of a detection."""
NEVER = -1.0


@dataclass(frozen=True, eq=False)
class Judged:
    """Detections and objects of one picture, brought together.

    Objects go to detections strongest first, as COCO does at an IoU of 0.5, so that this holds for
    every confidence: an object is found from the score of its detection downwards.

    Args:
        verdict: (N,) float32 of the detections, strongest first: NOT_JUDGED, HIT or FALSE_ALARM.
        record: the truth, with the classes of the detections.
        found_at: (M,) float32 of its objects, the score that finds each, or NEVER.
    """

    verdict: NDArray[np.float32]
    record: ImageRecord
    found_at: NDArray[np.float32]


class Truth:
    """Labels by picture.

    Args:
        labels: in any known format.

    Raises:
        FileNotFoundError, ValueError: they cannot be read.
    """

    def __init__(self, labels: Path) -> None:
        self.index = read_labels(labels, split="val")
        self._by_path = {record.path.resolve(): record for record in self.index.records}
        self.ids = labels if labels.suffix == ".json" else None

    def of(self, path: Path) -> ImageRecord | None:
        """The labels of a picture, if there are."""
        return self._by_path.get(path.resolve())

    def judge(self, path: Path, found: Detections) -> Judged | None:
        """What the truth of a picture makes of its detections; None without truth.

        Args:
            path: of the picture.
            found: strongest first. Those of classes that the truth lacks are not judged.
        """
        record = self.of(path)
        if record is None:
            return None
        known = {class_key(name) for name in self.index.class_names}
        lacking = [name for name in found.class_names if class_key(name) not in known]
        index = Index(self.index.class_names, (record,)).renamed(found.class_names, unknown=lacking)
        record = index.records[0]
        matches = match_boxes(index, truth_rows(index), detection_rows([found]))
        verdict = np.full(len(found), NOT_JUDGED, np.float32)
        verdict[matches.hit], verdict[matches.false_alarm] = HIT, FALSE_ALARM
        found_at = np.full(len(matches.truth), NEVER, np.float32)
        found_at[matches.met[matches.hit]] = matches.detections.scores[matches.hit]
        return Judged(verdict, record, found_at[: len(record.boxes)])
