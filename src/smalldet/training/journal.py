"""What a run writes beside its weights: recipe, versions, log lines, curves, pictures."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from torch.utils.tensorboard.writer import SummaryWriter

from smalldet.config.load import dump
from smalldet.training.recipe import TrainRecipe

RECORDED = ("smalldet", "torch", "torchvision", "timm", "accelerate", "hotcoco", "numpy")


class Journal:
    """The run folder's text: `recipe.yaml`, `versions.json`, `log.jsonl` and TensorBoard events."""

    def __init__(self, folder: Path, recipe: TrainRecipe, device: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(dump(recipe), encoding="utf-8")
        versions = {name: version(name) for name in RECORDED}
        versions |= {"python": platform.python_version(), "device": device}
        versions |= {"seed": str(recipe.training.seed)}
        (folder / "versions.json").write_text(json.dumps(versions, indent=1), encoding="utf-8")
        self._lines = folder / "log.jsonl"
        self._curves = SummaryWriter(str(folder / "tensorboard"))

    def write(self, group: str, step: int, values: Mapping[str, float | None]) -> None:
        """One line and a point on each curve; None is left out of the curves."""
        with self._lines.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"group": group, "step": step, **values}) + "\n")
        for name, value in values.items():
            if value is not None:
                self._curves.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        self._curves.close()
