"""Depthwise convolutions in bfloat16 on a CPU, with gradients as fast as the rest of the step.

oneDNN computes some gradients of depthwise convolutions in bfloat16 with code that is not made for
it: that of the input where the stride is not 1, and that of the weights where the kernel is larger
than 3. On a machine with AVX512-BF16 one such layer of Speck takes 40 times as long backward as
forward, and all of them half of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Channels of a group of the ordinary convolution that stands in; its vectors hold 16 or 32.
GROUP_CHANNELS = 16
LARGEST_FAST_KERNEL = 3


def fast_depthwise(device: torch.device, precision: torch.dtype) -> AbstractContextManager[object]:
    """Within it, depthwise convolutions learn by `DepthwiseConv` where that is the faster way."""
    if device.type == "cpu" and precision == torch.bfloat16:
        return _FastDepthwise()
    return nullcontext()


class DepthwiseConv(torch.autograd.Function):
    """A depthwise convolution whose slow gradients are those of a grouped one.

    The weights are spread over groups of 16 channels, zero between unlike ones. That is 16 times
    the arithmetic, and still several times as fast. Each sum has the same terms.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        """
        Args:
            ctx: of autograd.
            x: (B, C, H, W) bfloat16, C a multiple of 16.
            weight: (C, 1, K, K) bfloat16.
            stride: pixels.
            padding: pixels.
        """
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding
        return F.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, (stride, padding) = grads[0], ctx.steps
        of_x, of_weight, *_ = ctx.needs_input_grad
        spread_x = of_x and stride != (1, 1)
        spread_weight = of_weight and max(weight.shape[2:]) > LARGEST_FAST_KERNEL
        grad_x, grad_weight = _gradients(
            grad,
            x,
            weight,
            stride,
            padding,
            (of_x and not spread_x, of_weight and not spread_weight),
        )
        if spread_x or spread_weight:
            grouped = _gradients(
                grad, x, _spread(weight), stride, padding, (spread_x, spread_weight)
            )
            grad_x = grouped[0] if spread_x else grad_x
            grad_weight = _gathered(grouped[1]) if grouped[1] is not None else grad_weight
        return grad_x, grad_weight, None, None


def _gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    wanted: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """Those of input and weights of a grouped convolution, None where not wanted."""
    if not any(wanted):
        return None, None
    groups = x.shape[1] // weight.shape[1]
    grads = torch.ops.aten.convolution_backward(
        grad, x, weight, None, stride, padding, (1, 1), False, (0, 0), groups, (*wanted, False)
    )
    return grads[0], grads[1]


def _spread(weight: Tensor) -> Tensor:
    """(C, 1, K, K) to (C, 16, K, K): each channel's kernel where its group has that channel."""
    blocks = weight.view(-1, GROUP_CHANNELS, 1, *weight.shape[2:])
    own = torch.eye(GROUP_CHANNELS, dtype=weight.dtype)[:, :, None, None]
    spread = (blocks * own).flatten(0, 1)
    return spread.contiguous(memory_format=torch.channels_last)


def _gathered(spread: Tensor) -> Tensor:
    """(C, 16, K, K) to (C, 1, K, K): what of each kernel is of its own channel."""
    blocks = spread.unflatten(0, (-1, GROUP_CHANNELS))
    own = blocks.diagonal(dim1=1, dim2=2).movedim(-1, 1)
    return own.flatten(0, 1)[:, None]


class _FastDepthwise(TorchFunctionMode):
    """Takes the place of `conv2d` for depthwise layers whose gradients are slow."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.conv2d and len(args) == 7 and _is_slow(*args):
            x, weight, bias, stride, padding, *_ = args
            y: Any = DepthwiseConv.apply(x.bfloat16(), weight.bfloat16(), stride, padding)
            return y if bias is None else y + bias.bfloat16()[:, None, None]
        return func(*args, **(kwargs or {}))


def _is_slow(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> bool:
    """Whether these arguments of `conv2d` are a depthwise layer that learns slowly."""
    return (
        groups == len(weight) == x.shape[1]
        and groups % GROUP_CHANNELS == 0
        and dilation == (1, 1)
        and isinstance(padding, tuple)
        and (stride != (1, 1) or max(weight.shape[2:]) > LARGEST_FAST_KERNEL)
        and torch.is_grad_enabled()
    )
