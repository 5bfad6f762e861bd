"""What a run writes beside its weights: recipe, versions, log lines, curves, pictures."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalldet.atomic_write import append_line, write_text
from smalldet.config.load import dump
from smalldet.training.loggers import open_curves
from smalldet.training.recipe import TrainRecipe

RECORDED = ("smalldet", "torch", "torchvision", "timm", "accelerate", "hotcoco", "numpy")


class RunLog:
    """The run folder's text: `recipe.yaml`, `versions.json`, `log.jsonl` and curves.

    Args:
        folder: of the run.
        recipe: of the run.
        device: that it trains on.
        step: where the run stands; what a stopped run noted after it is taken back.
    """

    def __init__(self, folder: Path, recipe: TrainRecipe, device: str, step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "recipe.yaml", dump(recipe))
        versions = {name: version(name) for name in RECORDED}
        versions |= {"python": platform.python_version(), "device": device}
        versions |= {"seed": str(recipe.training.seed)}
        write_text(folder / "versions.json", json.dumps(versions, indent=1))
        self._lines = folder / "log.jsonl"
        kept = [line for line in self.lines() if line["step"] <= step]
        write_text(self._lines, "".join(json.dumps(line) + "\n" for line in kept))
        plain = recipe.model_dump(mode="json")
        self._curves = open_curves(recipe.training.logger, folder, plain, step)

    def write(self, group: str, step: int, values: Mapping[str, float | None]) -> None:
        """One line and a point on each curve; None is left out of the curves."""
        append_line(self._lines, json.dumps({"group": group, "step": step, **values}))
        known = {f"{group}/{name}": v for name, v in values.items() if v is not None}
        self._curves.add(known, step)

    def lines(self) -> list[dict[str, Any]]:
        """What was written so far; a line that a killed run left half is passed over.

        What a run did again, as an evaluation amid which it was killed, counts once.
        """
        if not self._lines.exists():
            return []
        lines = self._lines.read_text(encoding="utf-8").splitlines()
        whole = [json.loads(line) for line in lines if line.endswith("}")]
        return [*{(line["group"], line["step"]): line for line in whole}.values()]

    def last(self, group: str, name: str) -> float | None:
        """The value that a group's last line has of this name; None if there is no such line."""
        values = [line[name] for line in self.lines() if line["group"] == group and name in line]
        return values[-1] if values else None

    def show(self, group: str, step: int, pictures: Sequence[Path]) -> None:
        """Pictures beside the curves."""
        for number, path in enumerate(pictures, start=1):
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._curves.show(f"{group}/{number}", pixels, step)

    def close(self) -> None:
        self._curves.close()
