"""Detectors: the contract, the families, and how to get a trained one."""

from __future__ import annotations

import re
from pathlib import Path

from smalldet.class_names import ClassNames, parse_class_names
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.checkpoints.transformers_folder import WEIGHTS, from_hub, is_weights
from smalldet.models.detector import Detector

EMBEDDED = Path(__file__).parents[1] / "weights"
DEFAULT_MODEL = "speck-n-aerial"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w-]*(?:\.\d[\w-]*)*")
"""`owner/model`; what ends like a file is a file."""

__all__ = [
    "DEFAULT_MODEL",
    "ClassNames",
    "Detector",
    "convert_model",
    "embedded_models",
    "import_model",
    "is_hub_name",
    "is_transformers",
    "load_model",
    "model_path",
]


def embedded_models() -> list[str]:
    """Names of the models that come with smalldet."""
    return sorted(path.stem for path in EMBEDDED.glob("*.safetensors"))


def is_transformers(path: Path) -> bool:
    """Whether it is a folder that transformers' `save_pretrained` wrote."""
    return is_weights(path / WEIGHTS)


def is_hub_name(name: str) -> bool:
    """Whether a word may name a model of the hub: `owner/model`, and no file or folder here."""
    return HUB_NAME.fullmatch(name) is not None and not Path(name.split("/")[0]).exists()


def model_path(name_or_path: str | Path = DEFAULT_MODEL) -> Path:
    """The file of an embedded model or of a checkpoint.

    Args:
        name_or_path: of an embedded model; a file; a folder of transformers; or `owner/model` of
            the hub of Hugging Face, which is downloaded once.

    Raises:
        FileNotFoundError: none of these; the message lists the embedded names.
    """
    embedded, path = EMBEDDED / f"{name_or_path}.safetensors", Path(name_or_path)
    if embedded.is_file():
        return embedded
    if path.is_file():
        return path
    if is_transformers(path):
        return path / WEIGHTS
    if is_hub_name(str(name_or_path)):
        return from_hub(str(name_or_path))
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
    from smalldet.models.checkpoints.read_model import read_model  # and the libraries of all kinds

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
    from smalldet.models.checkpoints.read_model import write_model

    path = Path(target)
    if path.exists():
        raise FileExistsError(f"{path}: exists already")
    model = import_model(source, class_names=class_names, network=network)
    return write_model(path, model, {"converted_from": Path(source).name})
