"""Inference: a detector over scenes of any size, and what it found on a map."""

from smalldet.inference.predict import Outcome, predict_sources
from smalldet.inference.predictor import Predictor
from smalldet.inference.results import Result

__all__ = ["Outcome", "Predictor", "Result", "predict_sources"]
