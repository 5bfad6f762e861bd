"""smalldet finds small objects in large pictures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalldet.api.converting import convert, export
    from smalldet.api.measuring import compare, evaluate
    from smalldet.api.predicting import load, predict
    from smalldet.api.training import check, plan, train
    from smalldet.api.watching import change, track
    from smalldet.detections import Detections

__all__ = [
    "Detections",
    "change",
    "check",
    "compare",
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
    "change": "smalldet.api.watching",
    "check": "smalldet.api.training",
    "compare": "smalldet.api.measuring",
    "convert": "smalldet.api.converting",
    "evaluate": "smalldet.api.measuring",
    "export": "smalldet.api.converting",
    "load": "smalldet.api.predicting",
    "plan": "smalldet.api.training",
    "predict": "smalldet.api.predicting",
    "track": "smalldet.api.watching",
    "train": "smalldet.api.training",
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
