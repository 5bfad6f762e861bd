"""Where the curves of a run go while it trains: TensorBoard, MLflow, Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard.writer import SummaryWriter

from smalldet.atomic_write import write_text

Logger = Literal["none", "tensorboard", "mlflow", "wandb"]

PROJECT = "smalldet"

EXTRAS = {"mlflow": "mlflow", "wandb": "wandb"}
"""{logger: the package, and the extra that installs it}"""


class Curves(Protocol):
    """What takes points of curves."""

    def add(self, values: Mapping[str, float], step: int) -> None:
        """A point on each curve, by names such as `train/loss`."""
        ...

    def show(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """A picture (height, width, 3)."""
        ...

    def close(self) -> None: ...


def require(logger: Logger) -> None:
    """Refuse a logger whose package is not installed.

    Raises:
        ValueError: it is not; says how to install it.
    """
    extra = EXTRAS.get(logger)
    if extra is not None and find_spec(extra) is None:
        raise ValueError(
            f"training.logger={logger}: is not installed: pip install 'smalldet[{extra}]'"
        )


def open_curves(logger: Logger, folder: Path, recipe: Mapping[str, Any], step: int) -> Curves:
    """The logger of a run.

    Args:
        logger: which.
        folder: of the run; what is logged lies in it unless the logger's own environment variables
            (`MLFLOW_TRACKING_URI`, `WANDB_MODE`, ...) say otherwise.
        recipe: plain values, kept beside the curves.
        step: where the run stands: 0, or where a stopped one goes on.
    """
    if logger == "none":
        return _Nowhere()
    if logger == "tensorboard":
        return _TensorBoard(folder, step)
    return (_MLflow if logger == "mlflow" else _WandB)(folder, recipe, step)


class _Nowhere:
    def add(self, values: Mapping[str, float], step: int) -> None: ...

    def show(self, name: str, pixels: NDArray[np.uint8], step: int) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def show(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        self.writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class _MLflow:
    def __init__(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        mlflow: Any = import_module("mlflow")
        self.mlflow = mlflow
        if "MLFLOW_TRACKING_URI" in os.environ:
            mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
        else:
            mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').absolute().as_posix()}")
            if mlflow.get_experiment_by_name(PROJECT) is None:
                artifacts = (folder / "mlflow").absolute().as_uri()
                mlflow.create_experiment(PROJECT, artifact_location=artifacts)
            mlflow.set_experiment(PROJECT)
        note = folder / "mlflow.run"
        known = note.read_text(encoding="utf-8") if step and note.exists() else None
        run = mlflow.start_run(run_id=known, run_name=None if known else folder.name)
        if known is None:
            write_text(note, run.info.run_id)
            mlflow.log_dict(dict(recipe), "recipe.json")

    def add(self, values: Mapping[str, float], step: int) -> None:
        self.mlflow.log_metrics(dict(values), step=step)

    def show(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        self.mlflow.log_image(pixels, artifact_file=f"{name}_{step}.png")

    def close(self) -> None:
        self.mlflow.end_run()


class _WandB:
    def __init__(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        wandb: Any = import_module("wandb")
        self.wandb = wandb
        note = folder / "wandb.run"
        known = note.read_text(encoding="utf-8") if step and note.exists() else None
        self.run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=folder.name,
            id=known,
            resume="allow" if known else None,
            dir=str(folder),
            config=dict(recipe),
        )
        write_text(note, self.run.id)

    def add(self, values: Mapping[str, float], step: int) -> None:
        self.run.log(dict(values), step=step)

    def show(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        self.run.log({name: self.wandb.Image(pixels)}, step=step)

    def close(self) -> None:
        self.run.finish()
