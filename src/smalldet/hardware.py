"""What the machine does well: device, precision, memory allocator."""

from __future__ import annotations

import ctypes
import sys
from typing import Literal

import torch

# mallopt's parameters in glibc's malloc.h
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
ONE_GIB = 1 << 30


def choose_device(name: str = "auto") -> torch.device:
    """`auto` is CUDA, then Apple's MPS, then the CPU.

    Raises:
        ValueError: not a device, or not on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not to be had here: {error}") from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware; where it is emulated it is many times slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def choose_precision(
    precision: Literal["auto", "fp32", "bf16"], device: torch.device
) -> torch.dtype:
    """The type to compute in; weights and losses stay float32."""
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def keep_freed_memory() -> None:
    """Let the C allocator keep large blocks for the next layer instead of returning each one.

    By default glibc maps and unmaps every large tensor, and the kernel clears its pages each time:
    a training step of Speck-n on a CPU takes 2.6 times as long. Does nothing where there is no
    glibc. Memory stays with the process until it ends.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, ONE_GIB)
        mallopt(M_TRIM_THRESHOLD, 2 * ONE_GIB - 1)
