"""Detectors: the contract, the families, and how to get a trained one."""

from __future__ import annotations

from pathlib import Path

from smalldet.models.checkpoints.native import load_detector
from smalldet.models.detector import Detector

EMBEDDED = Path(__file__).parents[1] / "weights"
DEFAULT_MODEL = "speck-n-aerial"

__all__ = ["DEFAULT_MODEL", "Detector", "embedded_models", "load_model", "model_path"]


def embedded_models() -> list[str]:
    """Names of the models that come with smalldet."""
    return sorted(path.stem for path in EMBEDDED.glob("*.safetensors"))


def model_path(name_or_path: str | Path = DEFAULT_MODEL) -> Path:
    """The file of an embedded model or of a checkpoint.

    Raises:
        FileNotFoundError: neither; the message lists the embedded names.
    """
    embedded = EMBEDDED / f"{name_or_path}.safetensors"
    if embedded.is_file():
        return embedded
    if Path(name_or_path).is_file():
        return Path(name_or_path)
    raise FileNotFoundError(
        f"{name_or_path}: no such model file, and no embedded model of that name; "
        f"embedded are {embedded_models()}"
    )


def load_model(name_or_path: str | Path = DEFAULT_MODEL) -> Detector:
    """A trained detector in eval mode: an embedded one by name, or a checkpoint by path."""
    return load_detector(model_path(name_or_path))
