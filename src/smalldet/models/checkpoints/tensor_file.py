"""Our own files of tensors: safetensors with a checksum, so that no changed byte goes unseen.

Models, states of training and parts of a prediction are such files. Files of earlier versions have
no checksum and are read without one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from smalldet.atomic_write import atomic_write

CHECKSUM = "checksum"
"""Key of the metadata."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata with their checksum, atomically.

    Args:
        path: the file.
        tensors: on the CPU, contiguous, without shared memory.
        metadata: texts by key.

    Raises:
        OSError: the file cannot be written, as on a full disk; it names `path`.
    """
    signed = {**metadata, CHECKSUM: checksum(tensors, metadata)}
    with atomic_write(path) as draft:
        try:
            save_file(dict(tensors), draft, signed)
        except SafetensorError as error:
            raise _of_system(error) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, on the CPU, and metadata of a file, its checksum left out.

    Raises:
        ValueError: not a safetensors file, or its content is not what its checksum says.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            # copies: what is given is a view of the file, and changes where the file is written to
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error
    noted = metadata.pop(CHECKSUM, None)
    if noted is not None and noted != checksum(tensors, metadata):
        raise ValueError(
            f"{path}: damaged: its content is not what its checksum says; take another copy of it"
        )
    return tensors, metadata


def read_header(path: Path) -> dict[str, str]:
    """The metadata alone, unchecked; see `read_tensors`."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error


def checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Of names, types, shapes, values and metadata: 32 hexadecimal digits of BLAKE2b."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: not a readable safetensors file: {error}")


def _of_system(error: SafetensorError) -> OSError:
    """The system's error behind one of the library, which tells it as text alone."""
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error))
