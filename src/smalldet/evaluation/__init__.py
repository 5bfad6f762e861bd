"""Evaluation: honest numbers about a detector, by size of object."""

from smalldet.evaluation.classes import ClassMatch, match_classes
from smalldet.evaluation.evaluate import evaluate
from smalldet.evaluation.matching import Matches
from smalldet.evaluation.report import Report
from smalldet.evaluation.scoring import matches_at, score
from smalldet.evaluation.sizes import SIZE_RANGES_PX

__all__ = [
    "SIZE_RANGES_PX",
    "ClassMatch",
    "Matches",
    "Report",
    "evaluate",
    "match_classes",
    "matches_at",
    "score",
]
