"""The chunks of a PNG file: whether it goes on to its end.

Specification: https://www.w3.org/TR/png-3/, section 5.
"""

from __future__ import annotations

from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME_BYTES = 12
"""Of a chunk beside its content: its length, its name and its checksum."""


def check_png_ends(path: str) -> None:
    """Walk over a local PNG file's chunks to its last one, IEND, without reading what they hold.

    A decoder stops at the last row of pixels, and does not see that what follows is missing.

    Raises:
        ValueError: the file ends before that; names it.
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
            if name == b"IEND" and place <= num_bytes:
                return
    raise ValueError(
        f"{path}: is damaged or cut short: a PNG ends with IEND, and this one does not"
    )
