"""What is known of a detector: how many objects of a size it finds, and how true its scores are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalldet.changing.plane import Objects
from smalldet.data.formats.json_files import load_object
from smalldet.evaluation.isotonic import rising

Floats = NDArray[np.float64]

HALF = 0.5


@dataclass(frozen=True, eq=False)
class Recall:
    """The share of the objects that is found, by their side: between two bounds.

    Args:
        sides: (B,) rising; empty where the bounds are the same for all sides.
        low: (B,) or (1,) lower bound.
        high: (B,) or (1,) upper bound.
        in_px: sides are pixels, else metres.
        words: where it is from, for people.
    """

    sides: Floats
    low: Floats
    high: Floats
    in_px: bool
    words: str

    @classmethod
    def constant(cls, recall: float) -> Recall:
        """One share for all sizes."""
        one = np.array([recall])
        return cls(np.zeros(0), one, one, False, f"recall {recall:g}, as given")

    @classmethod
    def unknown(cls) -> Recall:
        """Anything from none to all."""
        words = "recall is not known: --recall or --metrics tells it"
        return cls(np.zeros(0), np.zeros(1), np.ones(1), False, words)

    def bounds(self, objects: Objects) -> tuple[Floats, Floats]:
        """(N,) lower and upper bounds for objects of their sides.

        Between the middles of bins it is interpolated over the logarithm of the side. An object
        whose side is not known may have the recall of any. Where nothing is known but the side
        from which on half are found, that tells on which side of a half it is.
        """
        num = len(objects)
        if not len(self.sides):
            low, high = np.full(num, self.low[0]), np.full(num, self.high[0])
            if self.low[0] == self.high[0]:
                return low, high
            low[objects.side_px >= objects.half_found_px] = HALF
            high[objects.side_px < objects.half_found_px] = HALF
            return low, high
        side = objects.side_px if self.in_px else objects.side_m
        known = np.isfinite(side) & (side > 0)
        at, places = np.log(np.where(known, side, 1.0)), np.log(self.sides)
        low = np.where(known, np.interp(at, places, self.low), self.low.min())
        high = np.where(known, np.interp(at, places, self.high), self.high.max())
        return low, high


@dataclass(frozen=True, eq=False)
class Calibration:
    """How often a detection of a score is right.

    Args:
        scores: (B,) rising; empty where scores are taken as they are.
        right: (B,) share that is right, not falling.
    """

    scores: Floats
    right: Floats

    def __call__(self, scores: Floats) -> Floats:
        """(N,) how likely each is right."""
        if not len(self.scores):
            return scores
        return np.interp(scores, self.scores, self.right)


AS_THEY_ARE = Calibration(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Known:
    """All that is known of the detector that found the objects."""

    recall: Recall
    calibration: Calibration = AS_THEY_ARE

    @classmethod
    def of(cls, recall: float | None, metrics: Path | None) -> Known:
        """As a person says it, or an evaluation measured it.

        Raises:
            FileNotFoundError, ValueError: there are no such metrics.
        """
        if metrics is not None:
            return read_metrics(metrics)
        return cls(Recall.unknown() if recall is None else Recall.constant(recall))


def read_metrics(path: Path) -> Known:
    """Recall by size and the calibration of scores of a `metrics.json`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds neither; names it.
    """
    content = load_object(path)
    try:
        recall, curve = content["recall_by_size"], content["calibration"]["all"]
        filled = [place for place, num in enumerate(recall["num_objects"]) if num]
        edges = np.array(recall["edges_px"], dtype=np.float64)
        low, high = (np.array(recall[key], dtype=np.float64)[filled] for key in ("low", "high"))
        scores, right, weights = _filled(curve, "mean_score", "precision", "num_detections")
        conf = float(content["conf"])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(
            f"{path}: is no metrics.json of `smalldet evaluate --out`: it lacks recall_by_size or "
            "calibration"
        ) from error
    if not filled or not len(scores):
        raise ValueError(f"{path}: was measured on pictures without objects or detections")
    words = f"recall by size from score {conf:g} on, as {path} has it"
    return Known(
        Recall(np.sqrt(edges[:-1] * edges[1:])[filled], low, high, True, words),
        Calibration(scores, rising(right, weights)),
    )


def _filled(curve: dict[str, Any], *keys: str) -> tuple[Floats, ...]:
    """Columns of the bins that hold detections."""
    held = [place for place, num in enumerate(curve["num_detections"]) if num]
    columns = (np.array([curve[key][place] for place in held], dtype=np.float64) for key in keys)
    return tuple(columns)
