"""smalldet finds small objects in large pictures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalldet.api import (
        change,
        check,
        convert,
        evaluate,
        export,
        load,
        plan,
        predict,
        track,
        train,
    )
    from smalldet.detections import Detections

__all__ = [
    "Detections",
    "change",
    "check",
    "convert",
    "evaluate",
    "export",
    "load",
    "plan",
    "predict",
    "track",
    "train",
]

_HOMES = {
    "Detections": "smalldet.detections",
    "change": "smalldet.api",
    "check": "smalldet.api",
    "convert": "smalldet.api",
    "evaluate": "smalldet.api",
    "export": "smalldet.api",
    "load": "smalldet.api",
    "plan": "smalldet.api",
    "predict": "smalldet.api",
    "track": "smalldet.api",
    "train": "smalldet.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import smalldet` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'smalldet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
