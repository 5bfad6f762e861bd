"""What is found in each frame: by a model, whose detections are noted, or from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import nms

from smalldet.atomic_write import write_text
from smalldet.inference.prediction_checkpoint import OtherRunError
from smalldet.inference.predictor import Predictor
from smalldet.tracking.frame_boxes import NO_TRACK, FrameBoxes, read_frame_boxes
from smalldet.tracking.frames import Frame, Frames
from smalldet.tracking.mot_text import MotText

BOX_DIGITS, SCORE_DIGITS = 2, 4
SAME_IOU = 0.5
DETECTIONS, RUN = "detections.txt", "run.json"


class Found(NamedTuple):
    """Boxes of one frame.

    Args:
        boxes: (N, 4) float64 xyxy.
        scores: (N,) float64.
        labels: (N,) int64.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


class Finder(Protocol):
    """Finds objects in frames.

    Attributes:
        class_names: of the labels.
    """

    class_names: tuple[str, ...]

    def find(self, frame: Frame) -> Found: ...

    def close(self) -> None: ...


class FileFinder:
    """Takes what a file says of each frame.

    Args:
        known: all boxes of the file.
        conf: those of less are left out.
        classes: only these, by the file's names; all if empty.
    """

    def __init__(self, known: FrameBoxes, conf: float, classes: tuple[str, ...] = ()) -> None:
        wrong = [name for name in classes if name not in known.class_names]
        if wrong:
            raise ValueError(f"the detections have no {wrong}; they have {[*known.class_names]}")
        self.class_names = known.class_names
        self._known = known
        asked = np.array([not classes or name in classes for name in known.class_names])
        self._kept = (known.scores >= conf) & asked[known.labels]

    def find(self, frame: Frame) -> Found:
        rows = self._known.rows_of(frame.number)
        kept = self._kept[rows]
        known = self._known
        return Found(known.boxes[rows][kept], known.scores[rows][kept], known.labels[rows][kept])

    def close(self) -> None:
        """Nothing is open."""


class ModelFinder:
    """Predicts, and notes the detections of each frame as MOT text, from which a run goes on.

    Args:
        predictor: of the model.
        folder: for `detections.txt` and `run.json`.
        run: {what: value}, all that the detections depend on.
        frames: that they are of.
        resume: go on after the frames that are noted; else they are written anew.

    Raises:
        OtherRunError: what is noted is of another run.
    """

    def __init__(
        self,
        predictor: Predictor,
        folder: Path,
        run: Mapping[str, str],
        frames: Frames,
        *,
        resume: bool,
    ) -> None:
        self.class_names = predictor.model.class_names
        self._predictor = predictor
        self._noted, self._last_noted = None, 0
        path, facts = folder / DETECTIONS, folder / RUN
        if resume and path.exists() and facts.exists():
            _check_run(facts, run)
            # the last frame may be there in part
            text = MotText.cut_before_last_frame(path)
            if path.stat().st_size:
                self._noted = read_frame_boxes(path, frames, self.class_names)
                self._last_noted = int(self._noted.frames[-1])
        else:
            write_text(facts, json.dumps(dict(run), indent=1) + "\n")
            text = MotText(path)
        self._text = text

    def find(self, frame: Frame) -> Found:
        if self._noted is not None and frame.number <= self._last_noted:
            rows = self._noted.rows_of(frame.number)
            noted = self._noted
            return rounded(noted.boxes[rows], noted.scores[rows], noted.labels[rows])
        detections = self._predictor.predict(frame.scene)
        found = rounded(
            detections.boxes.double().numpy(),
            detections.scores.double().numpy(),
            detections.labels.numpy(),
        )
        ids = np.full(len(found.boxes), NO_TRACK, dtype=np.int64)
        self._text.add(frame.number, ids, *found)
        return found

    def close(self) -> None:
        self._text.close()


def one_box_each(found: Found) -> Found:
    """The strongest of boxes that overlap by half, whatever their classes.

    Trackers do not look at classes: a vehicle that is found as a car and as a bus would get two
    tracks.
    """
    boxes, scores = torch.from_numpy(found.boxes), torch.from_numpy(found.scores)
    kept = np.sort(nms(boxes, scores, SAME_IOU).numpy())
    return Found(found.boxes[kept], found.scores[kept], found.labels[kept])


def rounded(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: NDArray[np.int64]
) -> Found:
    """As the text says it, so that a run that goes on from the text follows the same boxes."""
    return Found(boxes.round(BOX_DIGITS), scores.round(SCORE_DIGITS), labels)


def _check_run(path: Path, run: Mapping[str, str]) -> None:
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        differs = [key for key in run.keys() | noted.keys() if noted.get(key) != run.get(key)]
    except (ValueError, AttributeError) as error:
        raise OtherRunError(f"{path}: is damaged; leave out --resume to begin anew") from error
    if differs:
        raise OtherRunError(
            f"{path.parent}: holds a run with another {', '.join(sorted(differs))}; name another "
            "folder, or leave out --resume to begin anew"
        )
