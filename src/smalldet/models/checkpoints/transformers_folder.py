"""Checkpoints of Hugging Face transformers: a folder of `config.json` and `model.safetensors`.

The folder is one that `save_pretrained` wrote, or one of the hub, by its name there. The library
itself names the weights, so that checkpoints of its earlier versions are read as it reads them.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smalldet.models.checkpoints.build_checked import build_checked
from smalldet.models.checkpoints.loaded_model import ImportHints, LoadedModel
from smalldet.models.detr.networks import NETWORKS, OURS, transformers, without_loss
from smalldet.models.families import FAMILIES

CONFIG, WEIGHTS, PICTURES = "config.json", "model.safetensors", "preprocessor_config.json"
TRAINED_PX = 640
OF_THE_FILE = ("architectures", "dtype", "torch_dtype", "model_type", "transformers_version")


def is_weights(path: Path) -> bool:
    """Whether a file of tensors lies beside a configuration of transformers."""
    return path.name == WEIGHTS and (path.parent / CONFIG).is_file()


def from_hub(name: str) -> Path:
    """The weights of a model of the hub, downloaded once into the library's own cache.

    Args:
        name: `owner/model`.

    Raises:
        FileNotFoundError: the hub has no such model, or cannot be reached.
    """
    hub = import_module("huggingface_hub")
    try:
        folder = hub.snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS, PICTURES])
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise FileNotFoundError(
            f"{name}: no such file here, and not to be had from the hub of Hugging Face: {why[0]}"
        ) from error
    return Path(folder) / WEIGHTS


def load(path: Path, hints: ImportHints) -> LoadedModel:
    """The detector of a folder.

    Args:
        path: of its `model.safetensors`.
        hints: what the folder does not say.

    Raises:
        ImportError: transformers is not installed.
        ValueError: it is of no network that is known, damaged, or a hint does not fit.
    """
    folder = path.parent
    told = _json(folder / CONFIG)
    architecture = next(iter(told.get("architectures") or ["no network"]))
    families = {names.network: family for family, names in NETWORKS.items()}
    if architecture not in families:
        raise ValueError(
            f"{path}: of transformers' {architecture}; known are {', '.join(sorted(families))}"
        )
    if hints.network is not None:
        raise ValueError(f"{path}: its {CONFIG} says what network it is")
    family = families[architecture]
    whole = _read(folder, architecture)
    layers = {k: v for k, v in whole.config.to_diff_dict().items() if _is_layer(whole.config, k)}
    pictures = _pictures(folder, family)
    normalised = bool(pictures["do_normalize"])
    config = FAMILIES[family].model_validate(
        {
            "family": family,
            "layers": layers,
            "num_queries": whole.config.num_queries,
            "pixel_mean": pictures["image_mean"] if normalised else None,
            "pixel_std": pictures["image_std"] if normalised else None,
        }
    )
    names = tuple(whole.config.id2label[row] for row in range(whole.config.num_labels))
    size = pictures["size"]
    side = size.get("height") if isinstance(size, dict) else None
    detector = build_checked(
        path,
        config,
        hints.names_for(len(names), path, names),
        hints.tile_px or side or TRAINED_PX,
        _our_names(without_loss(whole)),
    )
    return LoadedModel(detector, config)


def _our_names(model: Any) -> dict[str, Tensor]:
    """Tensors by the names of our detector, which holds the backbone beside the rest."""
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not name.startswith("denoising_class_embed."):
            ours = name if name.startswith("backbone.") else f"transformer.{name}"
            state[ours] = value.detach().clone()
    return state


def _read(folder: Path, architecture: str) -> Any:
    network = getattr(transformers(), architecture)
    model, notes = network.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        dtype=torch.float32,
    )
    missing = sorted(notes["missing_keys"])
    if missing:
        raise ValueError(
            f"{folder / WEIGHTS}: lacks {len(missing)} tensors of {architecture}: {missing[0]}, ..."
        )
    return model


def _pictures(folder: Path, family: str) -> dict[str, Any]:
    """How pictures are prepared: as the folder says, or where it does not as the library does."""
    path = folder / PICTURES
    told = _json(path) if path.is_file() else {}
    own = getattr(transformers(), NETWORKS[family].processor)
    keys = ("do_normalize", "image_mean", "image_std", "size")
    return {key: told.get(key, getattr(own, key)) for key in keys}


def _is_layer(config: Any, key: str) -> bool:
    return key in type(config).__dataclass_fields__ and key not in (*OURS, *OF_THE_FILE)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: no JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must hold the keys of a model, not a {type(content).__name__}")
    return content
