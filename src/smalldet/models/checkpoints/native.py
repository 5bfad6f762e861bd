"""smalldet's own checkpoints: safetensors with everything needed to rebuild the detector."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smalldet.class_names import positions_of
from smalldet.config.load import checked
from smalldet.models.checkpoints.build_checked import build_checked
from smalldet.models.checkpoints.tensor_file import read_header, read_tensors, write_tensors
from smalldet.models.detector import Detector
from smalldet.models.families import FAMILIES, ModelConfig
from smalldet.models.seen import Seen

FORMAT = "smalldet-1"
MOST_TILE_PX = 1 << 16
MOST_CLASSES = 1 << 16
MOST_DIGITS = 40


def save_detector(
    path: Path, detector: Detector, config: ModelConfig, about: dict[str, Any] | None = None
) -> None:
    """Write weights, schema, classes and what the detector says of itself, with a checksum.

    Args:
        path: `.safetensors` file.
        detector: the weights.
        config: what `build` needs.
        about: anything JSON can say about its making.

    Raises:
        OSError: the file cannot be written, as on a full disk.
    """
    metadata = {
        "format": FORMAT,
        "model": config.model_dump_json(),
        "class_names": json.dumps(detector.class_names),
        "tile_px": str(detector.tile_px),
        "conf": str(detector.conf),
        "seen": detector.seen.model_dump_json(),
        "about": json.dumps(about or {}),
    }
    state = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    write_tensors(path, state, metadata)


def read_metadata(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: `model`, `class_names`, `tile_px`, `conf`, `seen`, ...

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a smalldet checkpoint, or one of its fields is not what it must be.
    """
    _check_is_file(path)
    return _fields(path, read_header(path))


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint, on the CPU."""
    return read_tensors(path)[0]


def load_detector(path: Path) -> Detector:
    """The detector of a smalldet checkpoint, in eval mode, on the CPU, in float32."""
    return load(path)[0]


def load(path: Path) -> tuple[Detector, ModelConfig]:
    """The detector of a smalldet checkpoint and its schema.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a smalldet checkpoint, damaged, or with values that are not sound.
    """
    _check_is_file(path)
    tensors, texts = read_tensors(path)
    fields = _fields(path, texts)
    config = model_config(fields["model"], str(path))
    detector = build_checked(path, config, fields["class_names"], fields["tile_px"], tensors)
    detector.conf, detector.seen = fields["conf"], fields["seen"]
    return detector, config


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model")


def _fields(path: Path, texts: dict[str, str]) -> dict[str, Any]:
    """The texts of the header as values, checked."""
    if texts.get("format") != FORMAT:
        raise ValueError(f"{path}: safetensors, but not a smalldet checkpoint ({FORMAT})")
    texts = {"conf": str(Detector.conf), "seen": "{}", **texts}
    for key in ("model", "class_names", "tile_px", "about"):
        if key not in texts:
            raise ValueError(f"{path}: its header has no {key}; the file is damaged")
    names = _json(path, "class_names", texts, list)
    if not 0 < len(names) <= MOST_CLASSES or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"{path}: class_names in its header must be 1 to {MOST_CLASSES} names")
    seen = checked(Seen, _json(path, "seen", texts, dict), f"{path}: seen in its header")
    seen.check_fits(names, str(path))
    return {
        "model": _json(path, "model", texts, dict),
        "class_names": names,
        "tile_px": _number(path, "tile_px", texts, int, 1, MOST_TILE_PX),
        "conf": _number(path, "conf", texts, float, 0, 1),
        "seen": seen,
        "about": _json(path, "about", texts, dict),
    }


def _json(path: Path, key: str, texts: dict[str, str], kind: type[Any]) -> Any:
    try:
        value = json.loads(texts[key])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {key} in its header is no JSON: {error}") from error
    if not isinstance(value, kind):
        raise ValueError(
            f"{path}: {key} in its header must be a {kind.__name__}, not a {type(value).__name__}"
        )
    return value


def _number(
    path: Path, key: str, texts: dict[str, str], kind: type[Any], low: float, high: float
) -> Any:
    text = texts[key]
    try:
        value = kind(text) if len(text) <= MOST_DIGITS else math.nan
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(
            f"{path}: {key} in its header must be a number from {low} to {high}, "
            f"not {text[:MOST_DIGITS]!r}"
        )
    return value


def model_config(content: dict[str, Any], where: str) -> ModelConfig:
    """The schema of the family that `content` names."""
    family = content.get("family", "speck")
    if not isinstance(family, str) or family not in FAMILIES:
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
        their_rows = given.class_rows(key, len(given.class_names))
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
