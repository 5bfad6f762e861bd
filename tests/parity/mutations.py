"""Broken files made from sound ones: bytes, values, encodings, headers."""

from __future__ import annotations

import codecs
import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

TOKENS = [
    b"nan", b"NaN", b"inf", b"-inf", b"-1", b"1e39", b"1e308", b"1e999", b"1" + b"0" * 22, b"0",
    b"", b"\0", b"\xff\xfe", b"\n", b",", b'"', b"'", b"<", b">", b"&x;", b"[", b"{", b"*a", b"&a ",
    b": ", b"../", b"\x1b[31m", b"9" * 400, b"\\ud800", b"null", b"true", b"[/b]", b"<a>" * 50,
    b"<a>" * 5000, b"[[" * 500, b"[" * 20_000, b'{"a":' * 3000, b"\xe2\x80\xa8", b"1_0", b"%s",
    b"{0}", b"!!python/object:x ", b"\xff" * 9 + b"\x7f", b"0x10", b"\xd9\xa3",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, -1, 0, 1e39, 1e308, -1e308, 10**22, 10**400, "", "x", "\0", "\x1b[31m", "../a.png",
    [], {}, [[]], [None], [1, 2], {"x": 1}, [[1, 2], [3, 4]], "9" * 400, 0.5, "nan", float("nan"),
    float("inf"), -float("inf"),
]  # fmt: skip
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
HOSTILE_NUMBERS = [
    b"nan", b"inf", b"-inf", b"1e39", b"-1e39", b"1e308", b"-1", b"1" + b"0" * 22, b"", b'"1"',
    b"0", b"1e-320", b"-0", b"9" * 400, b"1e5", b"0x1F",
]  # fmt: skip
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>404</p></body></html>"
XML_ENCODINGS = [
    "base64", "hex", "rot13", "zlib", "utf-7", "idna", "punycode", "unknown-1", "utf-16", "",
    "latin-1", "unicode_escape", "raw_unicode_escape", "utf-32", "\0",
]  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """A broken file.

    Args:
        raw: its bytes.
        kind: what was done, for messages.
        same: whether all of the sound file is still there, so that a reading of it must be equal.
    """

    raw: bytes
    kind: str
    same: bool = False


def broken_bytes(
    raw: bytes,
    rng: random.Random,
    tokens: Sequence[bytes],
    fifth: Callable[[bytes, random.Random, int], bytes],
) -> bytes:
    """One to three bytes or pieces exchanged, cut, taken out or doubled.

    Args:
        raw: the sound bytes.
        rng: of what is drawn.
        tokens: that may be put in.
        fifth: a further way, of (bytes, what draws, a place).
    """
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(raw) + 1)
        end = min(len(raw), start + rng.choice([0, 0, 1, 1, 3, 20]))
        kind = rng.randrange(5)
        if kind == 0:
            raw = raw[:start] + rng.choice(TOKENS) + raw[end:]
        elif kind == 1:
            raw = raw[:start] + bytes([rng.randrange(256)]) + raw[start + 1 :]
        elif kind == 2:
            raw = raw[:start] if rng.random() < 0.3 else raw[:start] + raw[end:]
        elif kind == 3:
            raw = raw[:end] + raw[start:]
        else:
            raw = fifth(raw, rng, start)
    return raw


def some_bytes(raw: bytes, rng: random.Random) -> Mutation:
    """Bytes or pieces exchanged, cut, taken out, doubled or swapped."""
    return Mutation(broken_bytes(raw, rng, TOKENS, _swapped), "bytes")


def _swapped(raw: bytes, _: random.Random, start: int) -> bytes:
    middle = (start + len(raw)) // 2
    return raw[:start] + raw[middle:] + raw[start:middle]


def a_number(raw: bytes, rng: random.Random) -> Mutation:
    """A number of a text becomes a hostile one."""
    found = list(NUMBER.finditer(raw))
    if not found:
        return some_bytes(raw, rng)
    match = rng.choice(found)
    token = rng.choice(HOSTILE_NUMBERS)
    return Mutation(raw[: match.start()] + token + raw[match.end() :], f"number {token[:10]!r}")


def an_encoding(raw: bytes, rng: random.Random) -> Mutation:
    """The same text in another encoding, or something else altogether."""
    text = raw.decode("utf-8")
    kind = rng.randrange(8)
    if kind == 0:
        return Mutation(text.encode("utf-16"), "UTF-16", same=True)
    if kind == 1:
        return Mutation(codecs.BOM_UTF8 + raw, "byte order mark", same=True)
    if kind == 2:
        return Mutation(text.encode("utf-16-le"), "UTF-16 without a mark", same=True)
    if kind == 3:
        return Mutation(raw.replace(b"\n", b"\r\n"), "CR LF", same=True)
    if kind == 4:
        return Mutation(HTML, "HTML", same=True)
    if kind == 5:
        place = rng.randrange(len(raw) + 1)
        return Mutation(raw[:place] + "\u00fc".encode("latin-1") + raw[place:], "latin-1")
    if kind == 6:
        return Mutation(bytes(rng.randrange(256) for _ in range(rng.randrange(200))), "noise")
    return Mutation(b"", "empty")


def an_element(raw: bytes, rng: random.Random) -> Mutation:
    """XML: another encoding said, a namespace, an entity, or nesting."""
    body = re.sub(rb"^<\?xml[^>]*\?>", b"", raw)
    kind = rng.randrange(5)
    if kind == 0:
        name = rng.choice(XML_ENCODINGS)
        return Mutation(
            f'<?xml version="1.0" encoding="{name}"?>'.encode() + body, f"encoding {name!r}", True
        )
    if kind == 1:
        at = re.compile(rb"^\s*<([\w.-]+)")
        return Mutation(at.sub(rb'<\1 xmlns="http://example.org/a"', body), "namespace", True)
    if kind == 2:
        prefixed = re.sub(rb"<(/?)([\w.-]+)", rb"<\1n:\2", body)
        prefixed = re.sub(rb"^\s*<(n:[\w.-]+)", rb'<\1 xmlns:n="urn:x"', prefixed)
        return Mutation(prefixed, "prefix", True)
    if kind == 3:
        entity = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
        return Mutation(entity + body, "entities", True)
    depth = rng.choice([20, 1000, 300_000])
    place = rng.choice([match.end() for match in re.finditer(rb">", body)])
    nested = body[:place] + b"<a>" * depth + b"</a>" * depth + body[place:]
    return Mutation(nested, f"nested {depth}")


def a_value(value: Any, rng: random.Random) -> Any:
    """A tree of JSON or YAML with one value in it, at any depth, exchanged or taken away."""
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        value = value.copy()
        if rng.random() < 0.1:
            del value[key]
        elif rng.random() < 0.05 and isinstance(value, list):
            value.append(value[key])
        elif rng.random() < 0.05 and isinstance(value, dict):
            value[rng.choice(["x", "", "id", "\0", "[/b]"])] = value[key]
        else:
            value[key] = a_value(value[key], rng)
        return value
    return rng.choice(VALUES)


def a_text(raw: bytes, tree: Any, rng: random.Random) -> Mutation:
    """A label file of any kind, broken in one of the ways that suit it.

    Args:
        raw: the file, UTF-8.
        tree: what it holds if it is JSON, else None.
        rng: of the case.
    """
    ways: list[Callable[[bytes, random.Random], Mutation]] = [some_bytes, some_bytes, a_number]
    ways.append(an_encoding if rng.random() < 0.3 else some_bytes)
    if raw.lstrip().startswith(b"<"):
        ways.append(an_element)
    if tree is not None and rng.random() < 0.5:
        return Mutation(json.dumps(a_value(tree, rng)).encode(), "value")
    return rng.choice(ways)(raw, rng)


def a_picture(raw: bytes, rng: random.Random) -> Mutation:
    """A picture's file: bytes, cuts, and large or small numbers in its head."""
    kind = rng.randrange(4)
    if kind == 0:
        return Mutation(raw[: rng.randrange(len(raw))], "cut")
    if kind == 1:
        return some_bytes(raw, rng)
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        reach = len(raw) if kind == 2 else min(len(raw), 256)
        place = rng.randrange(max(1, reach - 4))
        number = rng.choice([0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 10**7, rng.randrange(1 << 32)])
        form = rng.choice(["<I", ">I", "<H", ">H"])
        size = struct.calcsize(form)
        changed[place : place + size] = struct.pack(form, number % (1 << 8 * size))
    return Mutation(bytes(changed), "claim")
