"""`tf.train.Example` in the wire format of protocol buffers, without either library.

An Example has a map of features; each is a list of bytes, of float32 or of int64. The messages:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto; the wire
format: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_VARINT_BYTES = 10
BYTES, FLOATS, INTS = 1, 2, 3
NAMES = {BYTES: "bytes", FLOATS: "float32", INTS: "int64"}


@dataclass
class Feature:
    """A list of one of three kinds.

    Args:
        kind: BYTES, FLOATS or INTS; 0 of an empty feature.
        texts: of bytes.
        numbers: parts of a list of float32 or int64, one after another.
    """

    kind: int = 0
    texts: list[memoryview] = field(default_factory=list[memoryview])
    numbers: list[NDArray[np.generic]] = field(default_factory=list[NDArray[np.generic]])

    def floats(self) -> NDArray[np.float32]:
        """(N,) float32."""
        return np.concatenate([np.zeros(0, np.float32), *self.numbers]).astype(np.float32)

    def ints(self) -> NDArray[np.int64]:
        """(N,) int64."""
        return np.concatenate([np.zeros(0, np.int64), *self.numbers]).astype(np.int64)


def parse_example(data: bytes) -> dict[str, Feature]:
    """The features of an Example. Fields that are not known are passed over.

    Raises:
        ValueError: it is none; says where in it.
    """
    features: dict[str, Feature] = {}
    for number, message in _messages(memoryview(data)):
        if number != 1:
            continue
        for inner, entry in _messages(message):
            if inner != 1:
                continue
            key, feature = _entry(entry)
            features[key] = feature
    return features


def _entry(entry: memoryview) -> tuple[str, Feature]:
    """A key and its feature; with anything else an entry is damaged, and no reader takes it."""
    key, feature = "", Feature()
    for number, wire, value in _fields(entry):
        if number not in (1, 2) or isinstance(value, int):
            raise ValueError(f"an entry of its map has a field {number} of wire type {wire}")
        if number == 1:
            key = str(value, "utf-8")
        else:
            _add_to(feature, value)
    return key, feature


def _add_to(feature: Feature, message: memoryview) -> None:
    """The last kind that is set is the feature's; parts of one kind are joined."""
    for kind, values in _messages(message):
        if kind not in NAMES:
            continue
        if kind != feature.kind:
            feature.kind, feature.texts, feature.numbers = kind, [], []
        if kind == BYTES:
            feature.texts += [value for number, value in _messages(values) if number == 1]
        else:
            feature.numbers += _numbers(values, kind)


def _numbers(message: memoryview, kind: int) -> list[NDArray[np.generic]]:
    """A list packed into one field, as it is written; or one field for each number."""
    parts: list[NDArray[np.generic]] = []
    single: list[int | float] = []
    for number, wire, value in _fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            if (kind, wire) == (FLOATS, FIXED32):
                single.append(struct.unpack("<f", struct.pack("<I", value))[0])
            elif (kind, wire) == (INTS, VARINT):
                single.append(value - (1 << 64) if value >> 63 else value)
            else:
                raise ValueError(f"a list of {NAMES[kind]} has a value of wire type {wire}")
            continue
        if single:
            parts.append(_array(single, kind))
            single = []
        parts.append(_packed_floats(value) if kind == FLOATS else _packed_ints(value))
    return [*parts, _array(single, kind)] if single else parts


def _array(values: list[int | float], kind: int) -> NDArray[np.generic]:
    return np.array(values, dtype=np.float32 if kind == FLOATS else np.int64)


def _packed_floats(data: memoryview) -> NDArray[np.generic]:
    if len(data) % 4:
        raise ValueError(f"a list of float32 has {len(data)} bytes")
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _packed_ints(data: memoryview) -> NDArray[np.generic]:
    """Varints: seven bits a byte, low ones first; the top bit is set on all but the last byte."""
    raw = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(ends) == len(raw):
        return raw.astype(np.int64)
    if not len(ends) or ends[-1] != len(raw) - 1:
        raise ValueError("a list of int64 is cut short")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > MAX_VARINT_BYTES:
        raise ValueError(f"an int64 has more than {MAX_VARINT_BYTES} bytes")
    starts = ends - lengths + 1
    shifts = (np.arange(len(raw)) - np.repeat(starts, lengths)).astype(np.uint64) * np.uint64(7)
    bits = (raw & 127).astype(np.uint64) << shifts
    return np.bitwise_or.reduceat(bits, starts).view(np.int64)


def _messages(data: memoryview) -> Generator[tuple[int, memoryview]]:
    for number, wire, value in _fields(data):
        if isinstance(value, int):
            if number <= INTS:
                raise ValueError(f"field {number} has wire type {wire}, not {LENGTH}")
            continue
        yield number, value


def _fields(data: memoryview) -> Generator[tuple[int, int, int | memoryview]]:
    """(number, wire type, value) of each field of a message."""
    place, length = 0, len(data)
    while place < length:
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"byte {place} begins a field of number {number}")
        if wire == VARINT:
            value, place = _varint(data, place)
        elif wire == LENGTH:
            size, place = _varint(data, place)
            value = data[place : place + size]
            place += size
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            value = int.from_bytes(data[place : place + size], "little")
            place += size
        else:
            raise ValueError(f"byte {place} begins a field of wire type {wire}")
        if place > length:
            raise ValueError(f"field {number} ends {place - length} bytes behind its message")
        yield number, wire, value


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * MAX_VARINT_BYTES, 7):
        if place >= len(data):
            raise ValueError("a number is cut short")
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, place
    raise ValueError(f"a number has more than {MAX_VARINT_BYTES} bytes")


def example_bytes(
    features: Mapping[str, list[bytes] | NDArray[np.float32] | NDArray[np.int64]],
) -> bytes:
    """An Example of features, in the order given: lists of bytes, (N,) float32 or (N,) int64."""
    entries: list[bytes] = []
    for key, values in features.items():
        if isinstance(values, list):
            kind, content = BYTES, b"".join(_field(1, value) for value in values)
        elif values.dtype == np.float32:
            kind, content = FLOATS, _field(1, values.astype("<f4").tobytes())
        else:
            kind, content = INTS, _field(1, b"".join(map(_varint_bytes, values.tolist())))
        feature = _field(1, key.encode()) + _field(2, _field(kind, content))
        entries.append(_field(1, feature))
    return _field(1, b"".join(entries))


def _field(number: int, content: bytes) -> bytes:
    return _varint_bytes(number << 3 | LENGTH) + _varint_bytes(len(content)) + content


def _varint_bytes(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts: list[int] = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
