"""What the card of a model says of its licence."""

from __future__ import annotations

import re
from pathlib import Path

OFFERED = re.compile(r"offered\s+under\s+(.+?)(?:\s+with\s|,|\.\s|\.?$)", re.DOTALL)


def licence_of(weights: Path) -> str:
    """Its name, from the card beside the weights, `NAME.md`; `not stated` where there is none."""
    card = weights.with_suffix(".md")
    found = OFFERED.search(card.read_text(encoding="utf-8")) if card.is_file() else None
    return " ".join(found[1].split()) if found else "not stated"
