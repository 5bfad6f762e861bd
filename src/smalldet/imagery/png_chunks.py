"""The chunks of a PNG file: whether they are sound, and go on to its end.

Specification: https://www.w3.org/TR/png-3/, section 5.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME_BYTES = 12
"""Of a chunk beside its content: its length, its name and its checksum."""
PIECE_BYTES = 1 << 20


def check_png(path: str) -> None:
    """Walk over a local PNG file's chunks to its last one, IEND.

    A decoder stops at the last row of pixels, and does not see that what follows is missing, nor
    that bytes before it are wrong as long as they can be decoded. So the checksums of the chunks
    that pixels depend on are looked at too.

    Raises:
        ValueError: the file ends before its last chunk, or a checksum is wrong; names it.
    """
    with Path(path).open("rb") as file:
        num_bytes = file.seek(0, 2)
        file.seek(0)
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return  # another reader's to judge
        place = len(SIGNATURE)
        while place + FRAME_BYTES <= num_bytes:
            file.seek(place)
            length, name = int.from_bytes(file.read(4), "big"), file.read(4)
            place += FRAME_BYTES + length
            if place > num_bytes:
                break
            if _has_pixels(name) and not _sound(file, name, length):
                raise ValueError(
                    f"{path}: is damaged: the checksum of its {name.decode('ascii', 'replace')} at "
                    f"byte {place - length - FRAME_BYTES} is wrong; copy or save it anew"
                )
            if name == b"IEND":
                return
    raise ValueError(
        f"{path}: is damaged or cut short: a PNG ends with IEND, and this one does not"
    )


def _has_pixels(name: bytes) -> bool:
    """Of critical chunks, and of transparency; a wrong comment harms nobody."""
    return not name[0] & 0x20 or name == b"tRNS"


def _sound(file: BinaryIO, name: bytes, length: int) -> bool:
    found = zlib.crc32(name)
    while length:
        piece = file.read(min(length, PIECE_BYTES))
        found = zlib.crc32(piece, found)
        length -= len(piece)
    return found == int.from_bytes(file.read(4), "big")
