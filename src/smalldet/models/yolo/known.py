"""The networks that come with smalldet, as texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "networks"


class Known(NamedTuple):
    """Which text, and the width and depth that take the place of the text's own."""

    text: str
    width: float = 1.0
    depth: float = 1.0


SIZES = {
    "n": (0.25, 0.33),
    "s": (0.50, 0.33),
    "m": (0.75, 0.67),
    "l": (1.00, 1.00),
    "x": (1.25, 1.33),
}
PLAIN = ("yolov3", "yolov3-spp", "yolov3-tiny", "yolov4", "yolov4-tiny")
SCALED = {"": "yolov5", "6": "yolov5-p6", "-p2": "yolov5-p2"}

KNOWN = {name: Known(name) for name in PLAIN} | {
    f"yolov5{size}{suffix}": Known(text, *SIZES[size])
    for suffix, text in SCALED.items()
    for size in SIZES
}


def known_text(name: str) -> str:
    """The text of a network by name, such as `yolov5n`.

    Raises:
        ValueError: no such network.
    """
    if name not in KNOWN:
        raise ValueError(
            f"unknown network {name!r}; known: {', '.join(sorted(KNOWN))}, or a .cfg or .yaml file"
        )
    known = KNOWN[name]
    text = (FOLDER / f"{known.text}.yaml").read_text(encoding="utf-8")
    scale = f"width: {known.width}\ndepth: {known.depth}\n"
    return re.sub(r"^(?=side_px:)", scale, text, count=1, flags=re.MULTILINE)
