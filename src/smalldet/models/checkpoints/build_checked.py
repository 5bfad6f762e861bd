"""A detector with the weights of a file, once they are known to fit it and to be sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from smalldet.models.detector import Detector
from smalldet.models.detector_config import DetectorConfig

# A network makes some tensors more than it keeps: anchors, values to start from, strides measured.
SPARE_VALUES = 1 << 22
SPARE_CALLS = 100_000
CALLS_A_TENSOR = 1_000
MOST_LINES = 4  # of torch's list of what does not fit
MISFITS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def build_checked(
    path: Path,
    config: DetectorConfig,
    class_names: Sequence[str],
    tile_px: int,
    state: Mapping[str, Tensor],
) -> Detector:
    """The detector of a schema with the weights of a file, in eval mode, on the CPU, in float32.

    A schema is a claim, too: the network takes little more memory than its file has bytes for.

    Args:
        path: of the file, for messages.
        config: the schema that the file holds, or that its names tell.
        class_names: in the order of the outputs.
        tile_px: side of its tiles.
        state: tensors by the names of the detector's own state dict.

    Raises:
        ValueError: the schema is of no network or of a far larger one, the weights do not fit it,
            or are not sound (see `check_sound`).
    """
    try:
        with _WithinFile(state):
            detector = config.build(class_names, tile_px)
    except MISFITS as error:
        raise ValueError(f"{path}: its network cannot be built: {_first_lines(error)}") from error
    own = detector.state_dict()
    for name, value in state.items():
        if name in own and own[name].is_floating_point() != value.is_floating_point():
            raise ValueError(f"{path}: {name} is of {value.dtype}, not of {own[name].dtype}")
    try:
        detector.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ValueError(
            f"{path}: its weights do not fit the network ({config.family}): {_first_lines(error)}"
        ) from error
    detector = detector.float().eval()
    check_sound(path, detector)
    return detector


def check_sound(path: Path, network: nn.Module) -> None:
    """Refuse weights under which a network answers with nothing at all, silently.

    Raises:
        ValueError: a value is not finite, or a norm would take the root of a negative variance.
    """
    check_finite(path, network.state_dict())
    for name, module in network.named_modules():
        variance: Tensor | None = getattr(module, "running_var", None)
        epsilon = float(getattr(module, "eps", 0.0))
        if variance is not None and bool((variance + epsilon < 0).any()):
            raise ValueError(f"{path}: {name}.running_var is negative; the file is damaged")


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors with values that are not finite.

    Raises:
        ValueError: there is one; the message names it.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"{path}: {name} has values that are not finite (NaN or infinite); the file is "
                "damaged, or its training went wrong: take an earlier one"
            )


class _WithinFile(TorchFunctionMode):
    """Stops the building of a network that is out of proportion to the tensors of its file."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = 4 * sum(value.numel() for value in state.values()) + SPARE_VALUES
        self.calls = CALLS_A_TENSOR * len(state) + SPARE_CALLS

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        self.calls -= 1
        if func is torch.empty and made.device.type != "meta":
            self.values -= made.numel()
        if min(self.calls, self.values) < 0:
            raise ValueError("it is far larger than the weights in the file")
        return made


def _first_lines(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    more = [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return "\n".join(lines[:MOST_LINES] + more)
