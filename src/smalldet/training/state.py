"""The state of a run on disk, so that a killed one goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from smalldet.atomic_write import atomic_write
from smalldet.models.detector import Detector
from smalldet.training.ema import Ema


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: the epoch under way, from 0.
        batch: batches of it that are done.
        step: optimiser steps done in all.
        elapsed_s: training time so far, evaluation left out.
        best_ap: highest validation AP so far, -1 before the first.
        conf: of the model, by the last evaluation.
        num_stale: evaluations since the best one.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    elapsed_s: float = 0.0
    best_ap: float = -1.0
    conf: float = Detector.conf
    num_stale: int = 0


def save_state(
    path: Path, model: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write all that `load_state` needs, atomically."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("model.", model), ("ema.", ema.model)):
        tensors |= {prefix + k: v.detach().cpu() for k, v in module.state_dict().items()}
    for row, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{row}.{k}": torch.as_tensor(v).cpu() for k, v in values.items()}
    tensors = {k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    with atomic_write(path) as draft:
        save_file(tensors, draft, {"progress": json.dumps(asdict(progress))})


def load_state(
    path: Path, model: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer
) -> Progress:
    """Take up a saved state.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is broken or of another model.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: nothing to resume; start without --resume")
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads((file.metadata() or {})["progress"]))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        model.load_state_dict(_under("model.", tensors))
        ema.model.load_state_dict(_under("ema.", tensors))
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path}: not a state of this recipe: {error}") from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimiser.", tensors).items():
        row, name = key.split(".", 1)
        state.setdefault(int(row), {})[name] = value
    own = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": own["param_groups"]})
    return progress


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
