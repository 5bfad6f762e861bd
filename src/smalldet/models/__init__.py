"""Detectors: the contract, the families, and how to get a trained one."""

from __future__ import annotations

from pathlib import Path

from smalldet.class_names import ClassNames, parse_class_names
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.read_model import read_model, write_model
from smalldet.models.detector import Detector

EMBEDDED = Path(__file__).parents[1] / "weights"
DEFAULT_MODEL = "speck-n-aerial"

__all__ = [
    "DEFAULT_MODEL",
    "ClassNames",
    "Detector",
    "convert_model",
    "embedded_models",
    "import_model",
    "load_model",
    "model_path",
]


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


def load_model(
    name_or_path: str | Path = DEFAULT_MODEL,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> Detector:
    """A trained detector in eval mode: an embedded one by name, or a file of weights by path.

    Args:
        name_or_path: `.safetensors` of smalldet, or a file that another detector was saved in.
        class_names: names, a file of names, or `a,b,c`, where the file has none.
        network: name of the architecture or a text that describes it, where the file does not.
    """
    return import_model(name_or_path, class_names=class_names, network=network).detector


def import_model(
    name_or_path: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> LoadedModel:
    """As `load_model`, together with the schema that builds the detector again."""
    hints = ImportHints(class_names=parse_class_names(class_names), network=network)
    return read_model(model_path(name_or_path), hints)


def convert_model(
    source: str | Path,
    target: str | Path,
    *,
    class_names: ClassNames | None = None,
    network: str | None = None,
) -> list[Path]:
    """Write a model in the format that the suffix of `target` names; returns the files.

    Raises:
        FileExistsError: `target` exists.
    """
    path = Path(target)
    if path.exists():
        raise FileExistsError(f"{path}: exists already")
    model = import_model(source, class_names=class_names, network=network)
    return write_model(path, model, {"converted_from": Path(source).name})
