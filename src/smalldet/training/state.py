"""The state of a run on disk, so that a killed one goes on where it was."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from smalldet.models.checkpoints.build_checked import check_finite, check_sound
from smalldet.models.checkpoints.tensor_file import read_tensors, write_tensors
from smalldet.models.detector import Detector
from smalldet.training.ema import Ema

SHARES = ("best_ap", "conf")
"""Of `Progress`, those that are 1 at most."""


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
    """Write all that `load_state` needs, atomically, with a checksum.

    Raises:
        OSError: the file cannot be written, as on a full disk.
    """
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("model.", model), ("ema.", ema.model)):
        tensors |= {prefix + k: v.detach().cpu() for k, v in module.state_dict().items()}
    for row, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{row}.{k}": torch.as_tensor(v).cpu() for k, v in values.items()}
    tensors = {k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    write_tensors(path, tensors, {"progress": json.dumps(asdict(progress))})


def load_state(
    path: Path, model: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer
) -> Progress:
    """Take up a saved state.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the file is damaged or of another model, or holds values that are not finite.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: nothing to resume; start without --resume")
    tensors, texts = read_tensors(path)
    check_finite(path, tensors)
    try:
        progress = _progress(texts)
        model.load_state_dict(_under("model.", tensors))
        ema.model.load_state_dict(_under("ema.", tensors))
        state = _optimiser_state(_under("optimiser.", tensors), optimiser)
    except (KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a state of this recipe: {error}") from error
    check_sound(path, model)
    check_sound(path, ema.model)
    own = optimiser.state_dict()
    optimiser.load_state_dict({"state": state, "param_groups": own["param_groups"]})
    return progress


def _progress(texts: dict[str, str]) -> Progress:
    """Raises KeyError, TypeError or ValueError where it is none."""
    progress = Progress(**json.loads(texts["progress"]))
    for name, value in asdict(progress).items():
        usual = getattr(Progress, name)
        if type(value) not in {type(usual), int} or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}")
        if value < min(usual, 0) or (name in SHARES and value > 1):
            raise ValueError(f"{name} is {value}")
    return progress


def _optimiser_state(
    tensors: dict[str, Tensor], optimiser: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """What the optimiser noted of each parameter, by the parameter's number.

    Raises:
        ValueError: it does not fit the parameters, or that of some lacks what that of others has.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        row, name = key.split(".", 1)
        if not 0 <= int(row) < len(parameters) or not value.is_floating_point():
            raise ValueError(f"optimiser.{key} belongs to no parameter")
        if value.ndim > 0 and value.shape != parameters[int(row)].shape:
            raise ValueError(f"optimiser.{key} is of shape {tuple(value.shape)}")
        state.setdefault(int(row), {})[name] = value
    if len({frozenset(values) for values in state.values()}) > 1:
        raise ValueError("the optimiser's notes of some parameters are not complete")
    return state


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
