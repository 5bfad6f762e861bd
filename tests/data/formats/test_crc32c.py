"""The checksum of TFRecord is CRC-32C whatever the length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalldet.data.formats.crc32c import LARGE, POLYNOMIAL, SMALL, crc32c


def by_bits(data: bytes) -> int:
    """The definition, one bit after another."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_published_values(data: bytes, crc: int):
    assert crc32c(data) == crc


@given(st.binary(max_size=3 * SMALL), st.integers(0, 2**32))
def test_any_bytes(data: bytes, seed: int):
    assert crc32c(data) == by_bits(data)
    assert crc32c(memoryview(data)) == by_bits(data)


@pytest.mark.parametrize(
    "length", [LARGE - 1, LARGE, LARGE + 1, LARGE + 3, 2 * LARGE, 2 * LARGE + 70]
)
def test_lengths_round_those_of_the_blocks(length: int):
    data = (b"TFRecord" * (length // 8 + 1))[:length]
    assert crc32c(data) == by_bits(data)
