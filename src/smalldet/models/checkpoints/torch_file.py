"""Files of `torch.save`, zipped or of the time before: their content as records, their tensors.

Source: the layouts that torch.serialization writes. A zip holds `data.pkl` and a file for each
storage; the older form is a row of pickles, then each storage as its length and its values.
"""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import torch
from torch import Tensor

from smalldet.models.checkpoints.pickle_values import PERSISTENT, Name, Record
from smalldet.models.checkpoints.safe_pickle import load_pickle

# what torch.save itself names, and modules of torch
TORCH_NAMES = ("torch.",)
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LENGTH_BYTES = 8  # before each storage of the old format
STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
REBUILDERS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
ZIP_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    struct.error,
    ValueError,
)
PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")


class TorchFile:
    """An open file of `torch.save`; use it in a `with`.

    Attributes:
        content: what was saved, with `Record`s in the place of objects and tensors.

    Args:
        path: `.pt`, `.pth`, ...
        known: prefixes of names that may occur beside torch's own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such format, damaged, or it names what is not known.
    """

    def __init__(self, path: Path, known: Sequence[str] = ()) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        self.path = path
        self.size = path.stat().st_size
        self._left = self.size
        self._open = ExitStack()
        names = (*TORCH_NAMES, *known)
        with ExitStack() as stack:
            if _is_zip(path):
                self._storages, self.content = _open_zip(stack, path, names)
            else:
                self._storages, self.content = _open_old(stack, path, names)
            self._open = stack.pop_all()

    def __enter__(self) -> TorchFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def tensor(self, record: Any) -> Tensor:
        """The tensor that a record stands for, as stored.

        All tensors taken from a file together are no larger than the file: sizes are checked
        before memory is taken.

        Raises:
            ValueError: it is no tensor, or its file has too little for it.
        """
        while isinstance(record, Record) and record.name in PARAMETERS and record.args:
            record = record.args[0]
        if not isinstance(record, Record) or record.name not in REBUILDERS:
            given = record.name if isinstance(record, Record) else type(record).__name__
            raise ValueError(f"{self.path}: expected a tensor, found {given}")
        try:
            return self._tensor(record)
        except (AttributeError, KeyError, OverflowError, RuntimeError, TypeError) as error:
            raise ValueError(f"{self.path}: a tensor of an unknown kind: {error!r}") from error

    def _tensor(self, record: Record) -> Tensor:
        storage, offset, size, stride = record.args[:4]
        kind, dtype_name, key, _location, num_elements = storage.args[:5]
        dtype, key = STORAGES[dtype_name.name], str(key)
        if storage.name != PERSISTENT or kind != "storage":
            raise ValueError(f"{self.path}: a tensor without storage")
        numbers = (offset, num_elements, *size, *stride)
        if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError(f"{self.path}: tensor {key} has sizes that are no numbers")
        count = math.prod(size)
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if count else 0
        if count > num_elements or last >= max(num_elements, 1):
            raise ValueError(f"{self.path}: tensor {key} of {count} values exceeds its storage")
        self._left -= count * dtype.itemsize
        if self._left < 0:
            raise ValueError(f"{self.path}: its tensors are larger than the file")
        values = self._storages.read(key, num_elements, dtype)
        return torch.as_strided(values, size, stride, offset).clone()

    def state(self) -> dict[str, Tensor]:
        """The tensors of a saved state dict, by name; of `{"model": {...}}` likewise.

        Raises:
            ValueError: the file holds something else.
        """
        content = self.content
        for key in ("model", "state_dict"):
            if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
                content = cast("Mapping[Any, Any]", content[key])
        if not isinstance(content, Mapping):
            raise ValueError(f"{self.path}: holds no dict of tensors")
        return {
            str(name): self.tensor(value)
            for name, value in content.items()
            if isinstance(value, Record)
        }


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a saved state dict; see `TorchFile.state`."""
    with TorchFile(path) as file:
        return file.state()


class _ZippedStorages:
    def __init__(self, path: Path, archive: zipfile.ZipFile, folder: str) -> None:
        self.path, self.archive, self.folder = path, archive, folder

    def read(self, key: str, count: int, dtype: torch.dtype) -> Tensor:
        content = _member(self.path, self.archive, f"{self.folder}data/{key}")
        return _values(self.path, key, content, count, dtype)


class _StoragesInARow:
    def __init__(self, path: Path, content: mmap.mmap, places: Mapping[str, int]) -> None:
        self.path, self.content, self.places = path, content, places

    def read(self, key: str, count: int, dtype: torch.dtype) -> Tensor:
        if key not in self.places:
            raise ValueError(f"{self.path}: storage {key} is missing; the file is cut")
        start = self.places[key]
        content = self.content[start : start + count * dtype.itemsize]
        return _values(self.path, key, content, count, dtype)


def _values(path: Path, key: str, content: bytes, count: int, dtype: torch.dtype) -> Tensor:
    if len(content) < count * dtype.itemsize:
        raise ValueError(
            f"{path}: storage {key} should hold {count} values and has {len(content)} bytes"
        )
    if count == 0:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(content[: count * dtype.itemsize]), dtype=dtype)


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except ZIP_ERRORS as error:  # of one that says it spans several disks
        raise ValueError(f"{path}: damaged zip: {error}") from error


def _open_zip(stack: ExitStack, path: Path, known: Sequence[str]) -> tuple[_ZippedStorages, Any]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except ZIP_ERRORS as error:
        raise ValueError(f"{path}: damaged zip: {error}") from error
    pickles = [name for name in archive.namelist() if name.split("/")[-1] == "data.pkl"]
    if len(pickles) != 1:
        raise ValueError(f"{path}: a zip, but not one that torch.save writes (no data.pkl)")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.namelist():
        raise ValueError(
            f"{path}: a program of TorchScript, not a file of weights; save the state dict of the "
            "network that it was made from"
        )
    if f"{folder}byteorder" in archive.namelist():
        order = _member(path, archive, f"{folder}byteorder")
        if order.strip() != b"little":
            raise ValueError(f"{path}: written on a machine of another byte order")
    content = load_pickle(BytesIO(_member(path, archive, pickles[0])), str(path), known)
    return _ZippedStorages(path, archive, folder), content


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the zip. torch does not compress: one that is compressed may be a bomb."""
    if name not in archive.NameToInfo:
        raise ValueError(f"{path}: {name} is missing; the file is damaged")
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
        raise ValueError(f"{path}: {name} says to hold {info.file_size} bytes, compressed")
    try:
        return archive.read(info)
    except ZIP_ERRORS as error:
        raise ValueError(f"{path}: {name} cannot be read: {error}") from error


def _open_old(stack: ExitStack, path: Path, known: Sequence[str]) -> tuple[_StoragesInARow, Any]:
    """Five pickles: magic, protocol, the machine, what was saved, keys of the storages to come."""
    file = stack.enter_context(path.open("rb"))
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    content = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    stream = cast("IO[bytes]", content)
    sizes: dict[str, int] = {}

    def note(outside: Record) -> Any:
        if outside.args[0] == "module":  # a class, with its source code
            return outside.args[1]
        _, dtype, key, _, count = outside.args[:5]
        if not isinstance(dtype, Name) or not isinstance(count, int) or count < 0:
            raise ValueError("a storage of an unknown kind")
        sizes[str(key)] = STORAGES[dtype.name].itemsize * count
        return outside

    if content[:1] != b"\x80" or load_pickle(stream, str(path), known) != MAGIC:
        raise ValueError(f"{path}: not a file of torch.save, or it was cut on its way")
    if load_pickle(stream, str(path), known) != PROTOCOL:
        raise ValueError(f"{path}: an unknown version of torch's old format")
    load_pickle(stream, str(path), known)
    saved = load_pickle(stream, str(path), known, note)
    keys = load_pickle(stream, str(path), known)
    places: dict[str, int] = {}
    place = stream.tell()
    for key in keys if isinstance(keys, list) else ():
        places[str(key)] = place + LENGTH_BYTES
        place += LENGTH_BYTES + sizes.get(str(key), 0)
    return _StoragesInARow(path, content, places), saved
