"""Ways to change the bytes of a small checkpoint."""

from __future__ import annotations

import io
import json
import math
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from smalldet.models.checkpoints.tensor_file import checksum
from tests.parity.mutations import broken_bytes

Mutation = Callable[[bytes, random.Random], bytes]

TOKENS = [
    b"nan", b"inf", b"-1", b"1e39", b"1e999", b"0", b"", b"\0", b"\xff\xfe", b"\n", b",", b'"',
    b"[", b"{", b"]", b"}", b"=", b"[net]\n", b"9" * 30, b"[" * 2000, b"null", b"1_0", b"-5",
    b"\x80\x02", b"c", b"R", b"0.5", b"e", b"1000000000000", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, -5, 10**12, 10**30, 0.5, 1e999, -1e999, float("nan"), "", "x", "nan", "\0",
    [], [1], [[]], {}, {"a": 1}, [0, 0], ["a"] * 3, [10**9], 4096, 65_537, "9" * 5000,
]  # fmt: skip


def any_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut, left out, repeated, or hostile ones put in; those of headers oftener."""
    return broken_bytes(raw, rng, TOKENS, _early_byte)


def _early_byte(raw: bytes, rng: random.Random, _: int) -> bytes:
    at = rng.randrange(max(1, min(len(raw), 400)))
    return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]


def last_bytes(raw: bytes, rng: random.Random) -> bytes:
    """Values of four bytes that are not finite, and cut or longer ends."""
    kind = rng.randrange(3)
    if kind == 0:
        return raw[: -rng.randint(1, 9)]
    if kind == 1:
        return raw + rng.choice(TOKENS)
    at = len(raw) - 4 * rng.randint(1, 40)
    value = rng.choice([math.nan, math.inf, -math.inf, -3e38])
    return raw[:at] + struct.pack("<f", value) + raw[at + 4 :]


def deep_json() -> str:
    return "[" * 100_000 + "]" * 100_000


# safetensors


def header_of(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def with_header(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def signed(raw: bytes) -> bytes:
    """With the checksum that belongs to it, as somebody would write it who means harm."""
    try:
        header, data = header_of(raw)
        told = {k: v for k, v in header["__metadata__"].items() if k != "checksum"}
        header["__metadata__"]["checksum"] = checksum(load(raw), told)
        return with_header(header, data)
    except (AttributeError, KeyError, SafetensorError, TypeError):
        return raw  # broken beyond a checksum


def forged(mutate: Mutation) -> Mutation:
    """The same change by somebody who knows how the checksum is made."""
    return lambda raw, rng: signed(mutate(raw, rng))


def metadata_changed(raw: bytes, rng: random.Random) -> bytes:
    """A field of the metadata, or of the JSON in one, gets a hostile value or goes."""
    header, data = header_of(raw)
    told = header["__metadata__"]
    key = rng.choice(sorted(told))
    kind = rng.randrange(6)
    value = rng.choice(VALUES)
    inner: Any = None
    if kind < 3 and told[key][:1] == "{":
        inner = json.loads(told[key])
    if inner:
        place, field = inner, rng.choice(sorted(inner))
        while isinstance(place[field], dict) and place[field] and rng.random() < 0.7:
            place, field = place[field], rng.choice(sorted(place[field]))
        place[field] = value
        told[key] = json.dumps(inner)
    elif kind < 4:
        told[key] = value if isinstance(value, str) else json.dumps(value)
    elif kind == 4:
        del told[key]
        if rng.random() < 0.2:
            header["__metadata__"] = rng.choice([{}, None])
            if rng.random() < 0.3:
                del header["__metadata__"]
    else:
        told[key] = rng.choice([value, deep_json(), "{" + deep_json(), told[key] * 3, "5e-1"])
    return with_header(header, data)


def tensor_changed(raw: bytes, rng: random.Random) -> bytes:
    """A tensor renamed, retyped, resized, left out, or with values that are not sound."""
    header, data = header_of(raw)
    name = rng.choice([key for key in header if key != "__metadata__"])
    tensor = header[name]
    kind = rng.randrange(6)
    if kind == 0:
        header[rng.choice(["x", "", name + ".", name[:-1], "\0", name * 50])] = header.pop(name)
    elif kind == 1:
        tensor["dtype"] = rng.choice(["I32", "F16", "BF16", "F64", "I64", "U8", "BOOL", "F8_E4M3"])
    elif kind == 2:
        shape = tensor["shape"]
        tensor["shape"] = rng.choice([shape[::-1], [*shape, 1], [1, *shape], [0], [], [10**12, 0]])
    elif kind == 3:
        del header[name]
    else:
        start, end = tensor["data_offsets"]
        if end - start < 4:
            return any_bytes(raw, rng)
        at = start + 4 * rng.randrange((end - start) // 4)
        value = rng.choice([math.nan, math.inf, -math.inf, -1.0, 1e30])
        data = data[:at] + struct.pack("<f", value) + data[at + 4 :]
    return with_header(header, data)


SAFETENSORS = (any_bytes, last_bytes, metadata_changed, tensor_changed)
FORGED = (forged(metadata_changed), forged(tensor_changed))


def zip_changed(raw: bytes, rng: random.Random) -> bytes:
    """A sound zip with another pickle, storage, name or way of packing."""
    kind, target = rng.randrange(6), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(target, "w") as new:
        names = old.namelist()
        if kind < 4:
            pickled = [name for name in names if name.endswith("data.pkl")]
            chosen = pickled[0] if kind < 2 else rng.choice(names)
        else:
            chosen = rng.choice(names)
        for name in names:
            content, packing = old.read(name), zipfile.ZIP_STORED
            if name == chosen and kind < 3:
                content = any_bytes(content, rng)
            elif name == chosen and kind == 3:
                content = last_bytes(content, rng) if len(content) > 200 else b""
            elif name == chosen and kind == 4:
                if rng.random() < 0.4:
                    continue
                name = rng.choice(["data.pkl", "x/data.pkl", "../x", "m/data/0", "m/byteorder"])
                if name in names:
                    name += "x"
            elif name == chosen:
                packing = zipfile.ZIP_DEFLATED
            new.writestr(name, content, packing)
    return target.getvalue()
