"""smalldet's own checkpoints: safetensors with everything needed to rebuild the detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smalldet.atomic_write import atomic_write
from smalldet.class_names import positions_of
from smalldet.config.load import checked
from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES, ModelConfig

FORMAT = "smalldet-1"


def save_detector(
    path: Path, detector: Detector, config: ModelConfig, about: dict[str, Any] | None = None
) -> None:
    """Write weights, schema, classes, tile side and confidence, atomically.

    Args:
        path: `.safetensors` file.
        detector: the weights.
        config: what `build` needs.
        about: anything JSON can say about its making.
    """
    metadata = {
        "format": FORMAT,
        "model": config.model_dump_json(),
        "class_names": json.dumps(detector.class_names),
        "tile_px": str(detector.tile_px),
        "conf": str(detector.conf),
        "about": json.dumps(about or {}),
    }
    state = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    with atomic_write(path) as draft:
        save_file(state, draft, metadata)


def read_metadata(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: `model`, `class_names`, `tile_px`, `conf`, `about`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a smalldet checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a readable safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: safetensors, but not a smalldet checkpoint ({FORMAT})")
    return {
        "model": json.loads(metadata["model"]),
        "class_names": json.loads(metadata["class_names"]),
        "tile_px": int(metadata["tile_px"]),
        "conf": float(metadata.get("conf", Detector.conf)),
        "about": json.loads(metadata["about"]),
    }


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint, on the CPU."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def load_detector(path: Path) -> Detector:
    """The detector of a smalldet checkpoint, in eval mode, on the CPU, in float32."""
    metadata = read_metadata(path)
    config = model_config(metadata["model"], str(path))
    detector = config.build(metadata["class_names"], metadata["tile_px"])
    try:
        detector.load_state_dict(read_state(path))
    except RuntimeError as error:
        raise ValueError(f"{path}: weights do not fit the model that it names: {error}") from error
    detector.conf = metadata["conf"]
    return detector.float().eval()


def model_config(content: dict[str, Any], where: str) -> ModelConfig:
    """The schema of the family that `content` names."""
    family = content.get("family", "speck")
    if family not in FAMILIES:
        raise ValueError(f"{where}: unknown family {family!r}; known: {sorted(FAMILIES)}")
    return checked(FAMILIES[family], content, where)


def transfer_from(given: Detector, detector: Detector, where: str) -> list[str]:
    """Copy a detector's weights into one of the same architecture that may have other classes.

    Class outputs meet by class name: a class that both have keeps its row, a new one starts fresh.

    Args:
        given: what to copy.
        detector: what to copy into.
        where: what `given` is called in messages.

    Returns:
        Names of parameters that start fresh, wholly or in part.

    Raises:
        ValueError: so little fits that this is another architecture.
    """
    state = given.state_dict()
    rows = positions_of(detector.class_names, given.class_names)
    own = detector.state_dict()
    fresh: list[str] = []
    for key, value in own.items():
        copied = state.get(key)
        our_rows = detector.class_rows(key, len(rows))
        their_rows = detector.class_rows(key, len(given.class_names))
        if copied is None:
            fresh.append(key)
        elif our_rows is not None and their_rows is not None:
            if not _copied_by_class(value, copied, our_rows, their_rows, rows):
                fresh.append(key)
        elif copied.shape == value.shape:
            value.copy_(copied)
        else:
            fresh.append(key)
    if len(fresh) > len(own) / 2:
        raise ValueError(
            f"{where}: another architecture; {len(fresh)} of {len(own)} tensors differ"
        )
    with torch.no_grad():
        detector.load_state_dict(own)
    return fresh


def _copied_by_class(
    value: Tensor, given: Tensor, our_rows: Tensor, their_rows: Tensor, rows: list[int]
) -> bool:
    """Copy to each class of ours the rows of theirs (`rows`, -1 for none); whether all got any.

    Rows that speak of no class, such as background's, are copied as they stand.
    """
    ours, theirs = _others(value, our_rows), _others(given, their_rows)
    if given.shape[1:] != value.shape[1:] or len(ours) != len(theirs):
        return False
    value[ours] = given[theirs].to(value.dtype)
    known = [i for i, row in enumerate(rows) if row >= 0]
    value[our_rows[known]] = given[their_rows[[rows[i] for i in known]]].to(value.dtype)
    return len(known) == len(rows)


def _others(value: Tensor, class_rows: Tensor) -> Tensor:
    """Rows of a parameter that no class has."""
    free = torch.ones(max(len(value), int(class_rows.max()) + 1), dtype=torch.bool)
    free[class_rows.flatten()] = False
    return free.nonzero()[:, 0]
